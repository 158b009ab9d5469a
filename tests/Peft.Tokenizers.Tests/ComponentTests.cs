using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Tokenizers.Tests;

/// <summary>
/// Every component with other settings than the published kinds have: components.json says what to change in which kind's tokenizer.json, and
/// what Hugging Face's tokenizers 0.22.2 then give for random texts full of odd characters.
/// </summary>
public sealed class ComponentTests : IDisposable
{
    private static readonly Dictionary<string, Component> Components = JsonSerializer
        .Deserialize<Component[]>(File.ReadAllText(Path.Combine(Expected.Folder(""), "components.json")), JsonSerializerOptions.Web)!
        .ToDictionary(component => component.Name);

    private readonly string folder = Directory.CreateTempSubdirectory("tokenizer").FullName;

    public static TheoryData<string> Names => [.. Components.Keys];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory, MemberData(nameof(Names))]
    public void A_component_does_what_hugging_faces_does(string name)
    {
        var component = Components[name];
        var file = Path.Combine(folder, "tokenizer.json");
        File.WriteAllText(file, Changed(component).ToJsonString());
        var tokenizer = Tokenizer.FromFile(file);
        foreach (var row in component.Rows)
        {
            var encoding = tokenizer.Encode(row.Text, new EncodeOptions());
            encoding.Ids.ShouldBe(row.Ids, row.Text);
            encoding.Offsets.ShouldBe(row.Offsets.Select(offset => (offset[0], offset[1])), row.Text);
            tokenizer.Decode(row.Ids).ShouldBe(row.Decoded);
        }
    }

    private static JsonObject Changed(Component component)
    {
        var root = JsonNode.Parse(File.ReadAllText(Path.Combine(Expected.Folder(component.Base), "tokenizer.json")))!.AsObject();
        foreach (var (name, value) in component.Set)
        {
            if (name != "model")
            {
                root[name] = value?.DeepClone();
                continue;
            }
            foreach (var (setting, changed) in value!.AsObject())
                root["model"]![setting] = changed?.DeepClone();
        }
        return root;
    }

    private sealed record Component(string Name, string Base, JsonObject Set, Row[] Rows);

    private sealed record Row(string Text, int[] Ids, int[][] Offsets, string Decoded);
}
