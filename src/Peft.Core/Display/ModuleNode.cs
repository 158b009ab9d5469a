using static TorchSharp.torch;

namespace Peft;

/// <summary>A node in the module tree of a model.</summary>
/// <param name="Name">Its name in its parent.</param>
/// <param name="Kind">Type, and shape of its weight.</param>
/// <param name="Adapters">Its adapters, with their parameter counts in this module.</param>
/// <param name="Parameters">Number of its own parameters, without those of its children and its adapters.</param>
internal sealed record ModuleNode(string Name, string Kind, string Adapters, long Parameters)
{
    /// <summary>Its child modules.</summary>
    public List<ModuleNode> Children { get; } = [];

    /// <summary>Number of parameters, including those of its children.</summary>
    public long AllParameters => Parameters + Children.Sum(child => child.AllParameters);

    /// <summary>True if it or a descendant has an adapter.</summary>
    public bool IsAdapted => Adapters.Length > 0 || Children.Exists(child => child.IsAdapted);

    /// <summary>Its children. A run of equal ones, such as the layers of a transformer, becomes one node with the names of the first and the last.</summary>
    public IEnumerable<ModuleNode> Folded
    {
        get
        {
            for (var i = 0; i < Children.Count;)
            {
                var (first, run) = (Children[i], 1);
                while (i + run < Children.Count && int.TryParse(Children[i + run].Name, out _) && Children[i + run].Text == first.Text) run++;
                yield return run == 1 ? first : first with { Name = $"{first.Name} … {Children[i + run - 1].Name} ({run} ×)" };
                i += run;
            }
        }
    }

    // Equal for modules that would be displayed equally.
    private string Text => $"{Kind}|{Adapters}|{Parameters}({string.Concat(Children.Select(child => child.Name + child.Text))})";

    /// <summary>Creates the tree of a model.</summary>
    public static ModuleNode Of(PeftModel model)
    {
        var status = model.Status().ToLookup(row => row.Path);
        var targets = model.Tree.Targets.ToDictionary(target => target.Path);
        var seen = new HashSet<object>(ReferenceEqualityComparer.Instance);
        ModuleNode Create(string path, string name, nn.Module module)
        {
            var target = targets.GetValueOrDefault(path);
            var count = Own(module, target, seen);
            var shape = target is null ? "" : $" [{string.Join(" × ", target.Storage.Shape)}]{(count == 0 ? ", tied" : "")}";
            var adapters = status[path].Where(row => row.Parameters > 0).Select(row => $"{row.Adapter}: {row.Method}, {Markup.Number(row.Parameters)}{(row.IsTrainable ? " trainable" : row.IsActive ? " frozen" : " inactive")}");
            return new(name, module.GetType().Name.Split('`')[0] + shape, string.Join(", ", adapters), count);
        }

        var nodes = new Dictionary<string, ModuleNode> { [""] = Create("", "", model.Module) };
        foreach (var (path, module) in model.Module.named_modules())
        {
            if (path.Length == 0) continue;
            var cut = path.LastIndexOf('.');
            var node = Create(path, path[(cut + 1)..], module);
            // A module may be registered without a module between it and the root.
            (nodes.GetValueOrDefault(cut < 0 ? "" : path[..cut]) ?? nodes[""]).Children.Add(node);
            nodes[path] = node;
        }
        return nodes[""];
    }

    // Tied weights count once, at their first occurrence. Quantized weights are not parameters of their module, and a tied one may be that of another module.
    private static long Own(nn.Module module, Target? target, HashSet<object> seen)
    {
        var count = module.named_parameters(recurse: false).Select(pair => pair.parameter).Where(parameter => !parameter.IsInvalid && seen.Add(parameter)).Sum(parameter => parameter.numel());
        return target is { IsParameter: false, Storage: var storage } && seen.Add((object?)storage.Parameter ?? storage.Identity) ? count + storage.Shape.Aggregate(1L, (a, b) => a * b) : count;
    }
}
