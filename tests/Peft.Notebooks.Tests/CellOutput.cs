using System.Text.Json.Nodes;

namespace Peft.Notebooks.Tests;

/// <summary>The outputs of a cell as a notebook file has them, from the events of the kernel.</summary>
internal static class CellOutput
{
    public static JsonArray Of(IReadOnlyList<(string Type, JsonObject Event)> events)
    {
        var outputs = new List<JsonObject>();
        var updated = new Dictionary<string, JsonObject>();   // a displayed value stays where it was
        foreach (var (type, content) in events)
        {
            var values = content["formattedValues"]?.AsArray();
            if (values is null) continue;
            if (type is "StandardOutputValueProduced" or "StandardErrorValueProduced")
            {
                Write(outputs, type == "StandardOutputValueProduced" ? "stdout" : "stderr", (string)values[0]!["value"]!);
                continue;
            }
            var data = new JsonObject(values.Select(value => KeyValuePair.Create((string)value!["mimeType"]!, (JsonNode?)Lines((string)value["value"]!))));
            if ((string?)content["valueId"] is not { } id || !updated.TryGetValue(id, out var output))
            {
                output = type == "ReturnValueProduced" ? new() { ["output_type"] = "execute_result", ["execution_count"] = null, ["metadata"] = new JsonObject() } : new() { ["output_type"] = "display_data", ["metadata"] = new JsonObject() };
                outputs.Add(output);
                if ((string?)content["valueId"] is { } own) updated[own] = output;
            }
            output["data"] = data;
        }
        return [.. outputs];
    }

    private static void Write(List<JsonObject> outputs, string stream, string text)
    {
        if (outputs.LastOrDefault() is { } last && (string?)last["name"] == stream) foreach (var line in Lines(text).ToList()) last["text"]!.AsArray().Add(line!.DeepClone());
        else outputs.Add(new() { ["output_type"] = "stream", ["name"] = stream, ["text"] = Lines(text) });
    }

    private static JsonArray Lines(string text)
    {
        var lines = text.ReplaceLineEndings("\n").Split('\n');
        return [.. lines.Select((line, i) => JsonValue.Create(i < lines.Length - 1 ? line + "\n" : line)).Where(line => line.GetValue<string>().Length > 0)];
    }
}
