using System.Text.Json.Nodes;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Cli;

/// <summary><c>peft diff</c></summary>
internal static class DiffCommand
{
    public static Command Create(PeftTool tool)
    {
        var (first, second) = (new Argument<string>("first") { Description = "An adapter's folder." }, new Argument<string>("second") { Description = "The folder of another." });
        return tool.Command("diff", "Compares two adapters: their settings, and each tensor. Ends with 0 also if they differ.", [first, second], context =>
        {
            TorchRuntime.Require();
            using var a = SavedAdapter.Open(context.Get(first)!);
            using var b = SavedAdapter.Open(context.Get(second)!);
            var settings = Settings(a.Options, b.Options).ToList();
            var names = a.Tensors.Tensors.Keys.Union(b.Tensors.Tensors.Keys).Order(StringComparer.Ordinal).ToList();
            var tensors = names.Select(name => Compare(name, a, b)).ToList();
            var equal = settings.Count == 0 && tensors.TrueForAll(tensor => tensor.Relative == 0);
            context.Result(new { Equal = equal, Settings = settings.Select(each => new { each.Name, each.First, each.Second }), Tensors = tensors }, console =>
            {
                if (equal)
                {
                    console.Fields(("equal", $"{names.Count} tensors and all settings"));
                    return;
                }
                if (settings.Count > 0) console.Rows(["setting", "first", "second"], settings.Select(each => (string?[])[each.Name, each.First, each.Second]));
                console.Rows(["tensor", ">‖a − b‖/‖a‖", ">cosine", ""], tensors.Select(each => (string?[])[each.Name, each.Relative is { } relative ? Show.Percent(relative) : "–", each.Cosine is { } cosine ? Show.Number(cosine) : "–", each.Note]));
            });
        });
    }

    private static IEnumerable<(string Name, string First, string Second)> Settings(AdapterOptions first, AdapterOptions second)
    {
        var (a, b) = (JsonNode.Parse(AdapterConfig.Write(first))!.AsObject(), JsonNode.Parse(AdapterConfig.Write(second))!.AsObject());
        foreach (var name in a.Select(field => field.Key).Union(b.Select(field => field.Key)).Order(StringComparer.Ordinal))
            if (Text(a, name) is var one && Text(b, name) is var two && one != two) yield return (name, one, two);
    }

    private static string Text(JsonObject fields, string name) => fields.TryGetPropertyValue(name, out var value) ? value?.ToJsonString() ?? "null" : "–";

    private static TensorDifference Compare(string name, SavedAdapter a, SavedAdapter b)
    {
        if (!b.Tensors.Tensors.TryGetValue(name, out var other)) return new(name, null, null, "only in the first");
        if (!a.Tensors.Tensors.TryGetValue(name, out var one)) return new(name, null, null, "only in the second");
        if (!one.Shape.SequenceEqual(other.Shape)) return new(name, null, null, $"[{string.Join(", ", one.Shape)}] and [{string.Join(", ", other.Shape)}]");
        using var scope = NewDisposeScope();
        var (x, y) = (a.Tensors.Read(name).to_type(ScalarType.Float64), b.Tensors.Read(name).to_type(ScalarType.Float64));
        double Norm(Tensor tensor) => tensor.norm().item<double>();
        var (size, difference, otherSize) = (Norm(x), Norm(x.sub(y)), Norm(y));
        var relative = difference == 0 ? 0 : size == 0 ? double.PositiveInfinity : difference / size;
        return new(name, relative, size > 0 && otherSize > 0 ? x.mul(y).sum().item<double>() / size / otherSize : null, null);
    }
}
