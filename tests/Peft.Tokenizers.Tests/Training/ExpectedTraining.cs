using System.Text.Json;

namespace Peft.Tokenizers.Tests.Training;

/// <summary>What Hugging Face's trainers made of the texts under Data/training (make_training.py).</summary>
internal sealed record ExpectedTraining(string Text, int Size, JsonElement Vocab, string[][]? Merges, string[]? Special, string[]? Unordered, string[] Strings, string[][] Tokens)
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Data", "training");

    public static ExpectedTraining Read(string name)
        => JsonSerializer.Deserialize<ExpectedTraining>(System.IO.File.ReadAllText(Path.Combine(Folder, $"{name}.json")), JsonSerializerOptions.Web)!;

    /// <summary>The text that was trained on.</summary>
    public string File => PathOf(Text);

    public static string PathOf(string text) => Path.Combine(Folder, $"{text}.txt");
}

/// <summary>The model in a saved tokenizer's file.</summary>
internal sealed class SavedModel : IDisposable
{
    private readonly JsonDocument document;

    public SavedModel(Tokenizer tokenizer, string folder)
    {
        tokenizer.Save(folder);
        document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "tokenizer.json")));
        Model = document.RootElement.GetProperty("model");
    }

    public JsonElement Model { get; }

    public string[] Vocabulary => [.. Model.GetProperty("vocab").EnumerateObject().OrderBy(entry => entry.Value.GetInt32()).Select(entry => $"{entry.Value} {entry.Name}")];

    public string[] Merges => [.. Model.GetProperty("merges").EnumerateArray().Select(pair => $"{pair[0]} {pair[1]}")];

    public Dictionary<string, double> Pieces => PiecesOf(Model.GetProperty("vocab"));

    public static Dictionary<string, double> PiecesOf(JsonElement vocabulary) => vocabulary.EnumerateArray().ToDictionary(piece => piece[0].GetString()!, piece => piece[1].GetDouble());

    public void Dispose() => document.Dispose();
}
