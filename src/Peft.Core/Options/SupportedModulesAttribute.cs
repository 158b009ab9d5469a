using System.Reflection;

namespace Peft;

/// <summary>Kinds of module that a method can adapt. Without it, every module with a weight matrix.</summary>
/// <param name="kinds">The kinds.</param>
[AttributeUsage(AttributeTargets.Class)]
public sealed class SupportedModulesAttribute(ModuleKinds kinds) : Attribute
{
    /// <summary>The kinds.</summary>
    public ModuleKinds Kinds { get; } = kinds;

    /// <summary>The kinds that a method's options support.</summary>
    /// <param name="options">Type of the options.</param>
    public static ModuleKinds Of(Type options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options.GetCustomAttribute<SupportedModulesAttribute>()?.Kinds ?? ModuleKinds.Matrix;
    }

    /// <summary>Refuses targets that the method cannot adapt.</summary>
    internal static void Check(TargetedOptions options, IEnumerable<Target> targets)
    {
        var supported = Of(options.GetType());
        if (targets.FirstOrDefault(target => !supported.HasFlag(target.Kind)) is { } other)
            throw new AdapterOptionsException($"{other} is {Text(other.Kind)}, which {options.PeftType} cannot adapt: it adapts {List(supported)}. Leave it out of {nameof(options.TargetModules)}, or name it in {nameof(options.ExcludeModules)}.");
    }

    private static string Text(ModuleKinds kind) => kind switch
    {
        ModuleKinds.Linear => "a linear module",
        ModuleKinds.Embedding => "an embedding",
        ModuleKinds.Convolution => "a convolution",
        ModuleKinds.GroupedConvolution => "a convolution in groups",
        _ => "a norm",
    };

    private static string List(ModuleKinds kinds)
    {
        string[] names = [.. new[] { (ModuleKinds.Linear, "linear modules"), (ModuleKinds.Embedding, "embeddings"), (ModuleKinds.Convolution, "convolutions"), (ModuleKinds.GroupedConvolution, "convolutions in groups"), (ModuleKinds.Norm, "norms") }
            .Where(each => kinds.HasFlag(each.Item1)).Select(each => each.Item2)];
        return names.Length == 1 ? names[0] : $"{string.Join(", ", names[..^1])} and {names[^1]}";
    }
}
