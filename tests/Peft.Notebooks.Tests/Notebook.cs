using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Notebooks.Tests;

/// <summary>A notebook file (nbformat 4).</summary>
internal sealed class Notebook
{
    private static readonly JsonSerializerOptions Written = new() { WriteIndented = true, IndentSize = 1, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly string path;
    private readonly JsonObject root;

    private Notebook(string path)
    {
        this.path = path;
        root = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
    }

    public static string Folder => Path.Combine(Settings.Repository, "examples", "notebooks");

    public static IEnumerable<Notebook> All => Directory.EnumerateFiles(Folder, "*.ipynb").Order(StringComparer.Ordinal).Select(path => new Notebook(path));

    public static Notebook Open(string name) => new(Path.Combine(Folder, name));

    public string Name => Path.GetFileName(path);

    public IReadOnlyList<JsonObject> Cells => [.. root["cells"]!.AsArray().Select(cell => cell!.AsObject())];

    public IReadOnlyList<JsonObject> CodeCells => [.. Cells.Where(cell => (string?)cell["cell_type"] == "code")];

    /// <summary>True if a cell shows a drawing or a picture.</summary>
    public bool HasPlot => CodeCells.SelectMany(Outputs).Any(output => output.Mime.StartsWith("image/", StringComparison.Ordinal) || output.Value.Contains("<svg", StringComparison.Ordinal) || output.Value.Contains("<img", StringComparison.Ordinal));

    /// <summary>The text of a cell, which the file has as a list of lines.</summary>
    public static string Source(JsonObject cell) => string.Concat(cell["source"]!.AsArray().Select(line => (string?)line));

    /// <summary>What a cell shows, by MIME type.</summary>
    public static IEnumerable<(string Mime, string Value)> Outputs(JsonObject cell)
        => cell["outputs"]!.AsArray().SelectMany(output => (string?)output!["output_type"] == "stream"
            ? [("text/plain", Joined(output["text"]!))]
            : output["data"]!.AsObject().Select(pair => (pair.Key, Joined(pair.Value!))));

    public void Save() => File.WriteAllText(path, root.ToJsonString(Written).ReplaceLineEndings("\n") + "\n");

    private static string Joined(JsonNode text) => text is JsonArray lines ? string.Concat(lines.Select(line => (string?)line)) : (string)text!;
}
