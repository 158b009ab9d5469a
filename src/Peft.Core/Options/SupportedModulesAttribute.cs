using System.Reflection;

namespace Peft;

/// <summary>The types of modules that a method can adapt. Without this attribute: every module with a weight matrix.</summary>
/// <param name="kinds">The module types.</param>
[AttributeUsage(AttributeTargets.Class)]
public sealed class SupportedModulesAttribute(ModuleKinds kinds) : Attribute
{
    /// <summary>The module types.</summary>
    public ModuleKinds Kinds { get; } = kinds;

    /// <summary>Returns the module types that a method supports.</summary>
    /// <param name="options">Type of the options.</param>
    public static ModuleKinds Of(Type options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options.GetCustomAttribute<SupportedModulesAttribute>()?.Kinds ?? ModuleKinds.Matrix;
    }

    /// <summary>Throws if the method cannot adapt a target.</summary>
    internal static void Check(TargetedOptions options, IEnumerable<Target> targets)
    {
        var supported = Of(options.GetType());
        if (targets.FirstOrDefault(target => !supported.HasFlag(target.Kind)) is { } other)
            throw new AdapterOptionsException($"{other} is {Text(other.Kind)}, which {options.PeftType} does not support. Supported are {List(supported)}. Remove it from {nameof(options.TargetModules)}, or add it to {nameof(options.ExcludeModules)}.");
    }

    private static string Text(ModuleKinds kind) => kind switch
    {
        ModuleKinds.Linear => "a linear module",
        ModuleKinds.Embedding => "an embedding",
        ModuleKinds.Convolution => "a convolution",
        ModuleKinds.GroupedConvolution => "a grouped convolution",
        _ => "a norm",
    };

    private static string List(ModuleKinds kinds)
    {
        string[] names = [.. new[] { (ModuleKinds.Linear, "linear modules"), (ModuleKinds.Embedding, "embeddings"), (ModuleKinds.Convolution, "convolutions"), (ModuleKinds.GroupedConvolution, "grouped convolutions"), (ModuleKinds.Norm, "norms") }
            .Where(each => kinds.HasFlag(each.Item1)).Select(each => each.Item2)];
        return names.Length == 1 ? names[0] : $"{string.Join(", ", names[..^1])} and {names[^1]}";
    }
}
