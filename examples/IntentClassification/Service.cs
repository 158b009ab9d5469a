using System.Net;
using System.Text.Json;
using Peft;
using Peft.Models;

namespace IntentClassification;

/// <summary>Classifies texts sent over HTTP: <c>curl localhost:5077 -d "My card has not arrived"</c>.</summary>
internal static class Service
{
    public static async Task RunAsync(SequenceClassifier model, Tokenizer tokenizer, int port)
    {
        using var listener = new HttpListener { Prefixes = { $"http://localhost:{port}/" } };
        listener.Start();
        Console.WriteLine($"Ready: curl localhost:{port} -d \"My card has not arrived\"   (Ctrl+C ends)");
        while (true)
        {
            var context = await listener.GetContextAsync();
            using var response = context.Response;
            using var reader = new StreamReader(context.Request.InputStream);
            var text = await reader.ReadToEndAsync();
            object answer;
            if (string.IsNullOrWhiteSpace(text)) (response.StatusCode, answer) = (400, new { error = "Send a text as the body of a POST." });
            else answer = new { intents = model.Classify(text, tokenizer).Scores.Take(3).Select(score => new { label = score.Label, probability = Math.Round(score.Probability, 4) }) };
            response.ContentType = "application/json";
            await response.OutputStream.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(answer));
        }
    }
}
