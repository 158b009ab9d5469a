using System.Collections.Concurrent;
using System.Reflection;

namespace Peft;

/// <summary>Registers the options type of a <c>peft_type</c> in a method's assembly. Any assembly may use it.</summary>
/// <param name="peftType">The method, as in <c>adapter_config.json</c>.</param>
/// <param name="options">The options type, an <see cref="AdapterOptions"/>.</param>
[AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
public sealed class AdapterMethodAttribute(string peftType, Type options) : Attribute
{
    /// <summary>The method, as in <c>adapter_config.json</c>.</summary>
    public string PeftType { get; } = peftType;

    /// <summary>The options type.</summary>
    public Type Options { get; } = options;
}

/// <summary>The methods that the program knows: those that its assemblies register by <see cref="AdapterMethodAttribute"/>.</summary>
public static class AdapterMethods
{
    private static readonly string[] Packages = ["Peft.Core", "Peft.Lora", "Peft.Prefix", "Peft.Adapters"];
    private static readonly ConcurrentDictionary<Assembly, AdapterMethodAttribute[]> Declared = [];

    /// <summary>All methods, as <c>peft_type</c> and options type.</summary>
    public static IReadOnlyDictionary<string, Type> Known
    {
        get
        {
            // The runtime loads a package only when code uses it, but a saved adapter may name its method before that.
            foreach (var package in Packages) TryLoad(package);
            return AppDomain.CurrentDomain.GetAssemblies().Where(assembly => !assembly.IsDynamic)
                .SelectMany(assembly => Declared.GetOrAdd(assembly, each => [.. each.GetCustomAttributes<AdapterMethodAttribute>()]))
                .DistinctBy(method => method.PeftType).ToDictionary(method => method.PeftType, method => method.Options);
        }
    }

    private static void TryLoad(string package)
    {
        try { Assembly.Load(package); }
        catch (FileNotFoundException) { }   // the program does not use that package
    }
}
