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
