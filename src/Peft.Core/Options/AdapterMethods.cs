using System.Collections.Concurrent;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Peft;

/// <summary>The methods that the program's assemblies register by <see cref="AdapterMethodAttribute"/>.</summary>
public static class AdapterMethods
{
    // An entry of AppContext, set by the build files of the packages: the assemblies that contain methods, for programs published as a single file.
    private const string ListedName = "Peft.MethodAssemblies";

    private static readonly ConcurrentDictionary<Assembly, AdapterMethodAttribute[]> Declared = [];
    private static readonly Lazy<bool> Loaded = new(LoadAll);

    /// <summary>All methods, as <c>peft_type</c> and options type.</summary>
    public static IReadOnlyDictionary<string, Type> Known
    {
        get
        {
            _ = Loaded.Value;
            return AppDomain.CurrentDomain.GetAssemblies().Where(assembly => !assembly.IsDynamic)
                .SelectMany(assembly => Declared.GetOrAdd(assembly, each => [.. each.GetCustomAttributes<AdapterMethodAttribute>()]))
                .DistinctBy(method => method.PeftType).ToDictionary(method => method.PeftType, method => method.Options);
        }
    }

    // The runtime loads an assembly when code first uses it, but a folder may contain an adapter of a method that no code has used. Therefore all assemblies of the program that reference this one are loaded once.
    private static bool LoadAll()
    {
        foreach (var name in (AppContext.GetData(ListedName) as string)?.Split(';', StringSplitOptions.RemoveEmptyEntries) ?? []) TryLoad(new AssemblyName(name));
        foreach (var file in (AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") as string)?.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries) ?? [])
            if (ReferencesCore(file)) TryLoad(new AssemblyName(Path.GetFileNameWithoutExtension(file)));
        return true;
    }

    private static bool ReferencesCore(string file)
    {
        if (Path.GetFileName(file).StartsWith("System.", StringComparison.Ordinal)) return false;
        try
        {
            using var stream = File.OpenRead(file);
            using var portable = new PEReader(stream);
            if (!portable.HasMetadata) return false;
            var metadata = portable.GetMetadataReader();
            var core = typeof(AdapterMethods).Assembly.GetName().Name!;
            return metadata.AssemblyReferences.Any(reference => metadata.StringComparer.Equals(metadata.GetAssemblyReference(reference).Name, core));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or BadImageFormatException)
        {
            return false;
        }
    }

    private static void TryLoad(AssemblyName name)
    {
        try
        {
            Assembly.Load(name);
        }
        catch (Exception error) when (error is FileNotFoundException or FileLoadException or BadImageFormatException)
        {
            // The methods of an assembly that cannot be loaded cannot be used.
        }
    }
}
