using System.Text.Json.Nodes;

namespace Peft.Data.Tests;

/// <summary>A folder of files to load.</summary>
public abstract class DatasetTest : IDisposable
{
    protected TemporaryFolder Folder { get; } = new();

    public void Dispose()
    {
        Folder.Dispose();
        GC.SuppressFinalize(this);
    }

    protected static string Sample(string name) => Path.Combine(AppContext.BaseDirectory, "Data", name);

    protected static IReadOnlyList<string> Json(Dataset data) => [.. data.Select(row => row.Fields.ToJsonString(Plain))];

    protected static IReadOnlyList<string> Texts(Dataset data, string column = "text") => [.. data.Select(row => row.Fields[column]!.ToString())];

    protected static IEnumerable<JsonObject> Numbers(int count) => Enumerable.Range(0, count).Select(i => new JsonObject { ["i"] = i });

    protected static IReadOnlyList<int> Numbers(Dataset data) => [.. data.Select(row => row.Fields["i"]!.GetValue<int>())];

    private static readonly System.Text.Json.JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
