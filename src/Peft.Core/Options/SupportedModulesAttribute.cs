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

    /// <summary>Throws if a method cannot adapt a module. <see cref="TargetedOptions.Plan"/> calls it; options that find their modules in another way call it themselves.</summary>
    /// <param name="options">The method's options.</param>
    /// <param name="targets">The modules.</param>
    /// <exception cref="AdapterOptionsException">A module is of another kind.</exception>
    public static void Require(AdapterOptions options, IEnumerable<Target> targets)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(targets);
        var supported = Of(options.GetType());
        foreach (var target in targets)
        {
            if (target is null) throw new ArgumentException("A target is null.", nameof(targets));
            if (!supported.HasFlag(target.Kind)) throw Unsupported(target, options.PeftType, supported);
            if ((options as ILimitsModules)?.LimitAt(target) is { } limit && !limit.Kinds.HasFlag(target.Kind)) throw Unsupported(target, $"{options.PeftType} with {limit.Option}", supported & limit.Kinds);
        }
    }

    private static AdapterOptionsException Unsupported(Target target, string method, ModuleKinds supported)
        => new($"{target} is {Text(target.Kind)}, which {method} cannot adapt: it adapts {List(supported)}. Leave it out of {nameof(TargetedOptions.TargetModules)}, or name it in {nameof(TargetedOptions.ExcludeModules)}.");

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
