using System.Reflection;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

/// <summary>The table of all registered methods, found out by using them.</summary>
internal static class MethodTable
{
    public static string Write()
    {
        using var counts = new ParameterCounts();
        var rows = Sample.Methods.Select(method => Row(method, counts)).OrderBy(row => row[0], StringComparer.OrdinalIgnoreCase);
        string[][] head = [["method", "`peft_type`", "formula", "paper", "parameters for a 7B Llama", "merges", "modules", "tensors in the file"], [.. Enumerable.Repeat("---", 8)]];
        return string.Concat(head.Concat(rows).Select(row => $"| {string.Join(" | ", row)} |\n"));
    }

    private static string[] Row(string method, ParameterCounts counts)
    {
        var about = AdapterMethods.Known[method].GetCustomAttribute<MethodDescriptionAttribute>()
            ?? throw new InvalidOperationException($"{AdapterMethods.Known[method].Name} has no [MethodDescription]: say what its name, formula and paper are.");
        using var scope = NewDisposeScope();
        using var model = SmallModel.Create();
        using var peft = model.Adapt(method);
        var adapter = peft.Find(PeftModel.DefaultName);
        return [about.Name, $"`{method}`", about.Formula, Link(about.Source), counts.Cell(method), peft.TryMerge() ? "yes" : "no", Kinds(method), Tensors(peft, adapter)];
    }

    private static string Kinds(string method)
    {
        var kinds = new (string Name, Func<nn.Module<Tensor, Tensor>> Make, Func<Tensor> Input)[]
        {
            ("linear", () => nn.Linear(32, 32), () => randn(2, 32)),
            ("embedding", () => nn.Embedding(48, 32), () => randint(48, [2, 4])),
            ("conv1d", () => nn.Conv1d(32, 32, 3), () => randn(2, 32, 5)),
            ("conv2d", () => nn.Conv2d(32, 32, 3), () => randn(2, 32, 5, 5)),
            ("conv3d", () => nn.Conv3d(32, 32, 3), () => randn([2, 32, 3, 3, 3])),
            ("norm", () => nn.LayerNorm(32), () => randn(2, 32)),
        };
        var fits = kinds.Where(kind => Enters(method, kind.Make, kind.Input)).Select(kind => kind.Name).ToList();
        return fits.Count == 0 ? "in the model" : fits.Count == kinds.Length ? "all" : string.Join(", ", fits);
    }

    private static bool Enters(string method, Func<nn.Module<Tensor, Tensor>> make, Func<Tensor> input)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var options = Sample.Of(method).Options;
        if (AdapterMethods.Known[method].GetProperty(nameof(TargetedOptions.TargetModules)) is { } targets && targets.PropertyType != typeof(string)) options = options.With("target_modules", new System.Text.Json.Nodes.JsonArray("0"));
        using var model = nn.Sequential(make());
        var x = input();
        var before = model.call(x);
        try
        {
            using var peft = model.ApplyAdapter(options);
            peft.Trained();
            return model.call(x).Difference(before) > 1e-6;
        }
        catch (PeftException)
        {
            return false;
        }
    }

    private static string Tensors(PeftModel peft, Adapter adapter)
    {
        var shared = adapter.Shared?.Tensors.Where(tensor => tensor.IsSaved).Select(tensor => $"`base_model.{tensor.Name}`") ?? [];
        // Prompts save what they give; inside attention there is one for each layer, of which the end of the name is shown.
        var prompt = adapter.Prompt is null ? [] : peft.StateOf(adapter).Keys.Select(key => key[(key.LastIndexOf('.') + 1)..]);
        return string.Join(", ", adapter.Layers.SelectMany(layer => layer.Tensors).Where(tensor => tensor.IsSaved).Select(tensor => $"`{tensor.Name}`").Concat(shared).Concat(prompt.Select(name => $"`{name}`")).Distinct());
    }

    private static string Link(string source)
    {
        var (text, address) = source.Split(", ") switch
        {
            [.. var who, var id] when id.StartsWith("arXiv:", StringComparison.Ordinal) => (string.Join(", ", who), $"https://arxiv.org/abs/{id[6..]}"),
            [.. var who, var id] when id.StartsWith("doi:", StringComparison.Ordinal) => (string.Join(", ", who), $"https://doi.org/{id[4..]}"),
            [.. var who, var id] when id.StartsWith("openreview:", StringComparison.Ordinal) => (string.Join(", ", who), $"https://openreview.net/forum?id={id[11..]}"),
            _ => (source, ""),
        };
        return address.Length == 0 ? text : $"[{(text.Length == 0 ? "paper" : text)}]({address})";
    }
}
