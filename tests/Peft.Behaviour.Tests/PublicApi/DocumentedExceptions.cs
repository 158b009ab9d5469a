using System.Reflection;
using System.Xml.Linq;

namespace Peft.Behaviour.Tests.PublicApi;

/// <summary>The exceptions that a member's documentation names, from the XML files beside the assemblies.</summary>
internal sealed class DocumentedExceptions
{
    private readonly Dictionary<Assembly, ILookup<string, string>> known = [];

    /// <summary>Whether the documentation of a member of that name, here or in a base type, names the exception or one that it derives from.</summary>
    public bool Names(MethodBase member, Type exception)
    {
        var name = member.IsConstructor ? "#ctor" : member.Name is ['g' or 's', 'e', 't', '_', ..] ? member.Name[4..] : member.Name;
        for (var type = exception; type is not null && type != typeof(Exception); type = type.BaseType)
            if (Declaring(member.DeclaringType!).Any(declaring => Of(declaring.Assembly)[$"{Definition(declaring).FullName!.Replace('+', '.')}.{name}"].Contains(type.FullName))) return true;
        return false;
    }

    private static IEnumerable<Type> Declaring(Type type)
    {
        for (var each = type; each is not null; each = each.BaseType) yield return each;
        foreach (var each in type.GetInterfaces()) yield return each;
    }

    private static Type Definition(Type type) => type.IsGenericType ? type.GetGenericTypeDefinition() : type;

    private ILookup<string, string> Of(Assembly assembly)
    {
        if (known.TryGetValue(assembly, out var lookup)) return lookup;
        var file = Path.ChangeExtension(assembly.Location, ".xml");
        var members = File.Exists(file) ? XDocument.Load(file).Descendants("member") : [];
        return known[assembly] = members
            .SelectMany(member => member.Elements("exception").Select(exception => (Name: Plain(member.Attribute("name")!.Value), Type: exception.Attribute("cref")!.Value[2..])))
            .ToLookup(each => each.Name, each => each.Type);
    }

    // "M:Peft.PeftModel.Add(System.String)" and "M:Peft.Eva.InitializeEva``1(…)" are of members of that name.
    private static string Plain(string id)
    {
        var name = id[2..].Split('(')[0];
        var generic = name.LastIndexOf("``", StringComparison.Ordinal);
        return generic < 0 ? name : name[..generic];
    }
}
