using System.Collections.Concurrent;
using System.Reflection;

namespace Peft;

/// <summary>Says, in a method's assembly, that a <c>peft_type</c> is read into an options type. Open to any assembly.</summary>
/// <param name="peftType">The method, as in <c>adapter_config.json</c>.</param>
/// <param name="options">Its options, an <see cref="AdapterOptions"/>.</param>
[AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
public sealed class AdapterMethodAttribute(string peftType, Type options) : Attribute
{
    /// <summary>The method, as in <c>adapter_config.json</c>.</summary>
    public string PeftType { get; } = peftType;

    /// <summary>Its options.</summary>
    public Type Options { get; } = options;
}

/// <summary>The methods that this program knows: those that its assemblies declare by <see cref="AdapterMethodAttribute"/>.</summary>
public static class AdapterMethods
{
    private static readonly string[] Packages = ["Peft.Core", "Peft.Lora", "Peft.Prefix", "Peft.Adapters"];
    private static readonly ConcurrentDictionary<Assembly, AdapterMethodAttribute[]> Declared = [];

    /// <summary>All methods, as <c>peft_type</c> and options type.</summary>
    public static IReadOnlyDictionary<string, Type> Known
    {
        get
        {
            // A package that no code has touched yet is not loaded: a folder may name its method all the same.
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
