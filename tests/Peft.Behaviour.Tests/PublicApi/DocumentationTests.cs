using System.Reflection;
using System.Runtime.CompilerServices;
using System.Xml.Linq;

namespace Peft.Behaviour.Tests.PublicApi;

/// <summary>Every public member has documentation in the file beside its assembly. An override has that of what it overrides, which editors show.</summary>
public sealed class DocumentationTests
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly string Source = typeof(DocumentationTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(each => each.Key == "SourceFolder").Value!;

    public static TheoryData<string> Packages => [.. Directory.EnumerateDirectories(Source).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal)];

    [Theory, MemberData(nameof(Packages))]
    public void Everything_public_is_documented(string package)
    {
        var assembly = Assembly.Load(package);
        var documented = XDocument.Load(Path.ChangeExtension(assembly.Location, ".xml")).Descendants("member").Where(member => member.HasElements).Select(member => member.Attribute("name")!.Value).ToHashSet();
        documented.ShouldNotBeEmpty();
        assembly.GetExportedTypes().SelectMany(type => Members(type).Select(DocumentationId.Of).Prepend(DocumentationId.Of(type))).Where(id => !documented.Contains(id)).Order(StringComparer.Ordinal).ShouldBeEmpty();
    }

    // What the compiler makes of a record, a constructor without parameters, and the members of a delegate have nothing to say that the type has not said.
    private static IEnumerable<MemberInfo> Members(Type type)
        => typeof(Delegate).IsAssignableFrom(type) ? [] : type.GetMembers(Declared).Where(member => member switch
        {
            ConstructorInfo constructor => IsVisible(constructor) && constructor.GetParameters().Length > 0 && !IsMade(constructor),
            MethodInfo method => IsVisible(method) && !method.IsSpecialName && !IsMade(method) && !IsOverride(method) || method.Name is "op_Implicit" or "op_Explicit",
            PropertyInfo property => property.GetAccessors(nonPublic: true).Any(accessor => IsVisible(accessor) && !IsOverride(accessor)) && property.Name != "EqualityContract",
            FieldInfo field => (field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly) && !field.IsSpecialName,
            EventInfo made => IsVisible(made.AddMethod!),
            _ => false,
        });

    private static bool IsVisible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static bool IsMade(MethodBase method) => method.IsDefined(typeof(CompilerGeneratedAttribute)) || method.Name == "<Clone>$";

    private static bool IsOverride(MethodInfo method) => method.GetBaseDefinition().DeclaringType != method.DeclaringType;
}
