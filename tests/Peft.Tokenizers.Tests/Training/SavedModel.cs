using System.Text.Json;

namespace Peft.Tokenizers.Tests.Training;

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
