using System.Reflection;
using System.Text.RegularExpressions;

namespace Peft.Behaviour.Tests;

/// <summary>What the sources of the methods promise: they know no kind of module, and share no code that should be in Core.</summary>
public partial class SourceRulesTests
{
    private const int SharedLines = 5;

    private static readonly string Source = typeof(SourceRulesTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(each => each.Key == "SourceFolder").Value!;

    // A method is a folder of its package.
    private static IEnumerable<string> MethodFolders
        => new[] { "Peft.Lora", "Peft.Adapters", "Peft.Prefix" }.SelectMany(package => Directory.EnumerateDirectories(Path.Combine(Source, package)))
            .Where(folder => Path.GetFileName(folder) is not ("bin" or "obj" or "buildTransitive"));

    [Fact]
    public void No_method_names_the_type_of_an_operation()
    {
        var found = MethodFolders.SelectMany(Files).SelectMany(file => File.ReadLines(file).Select((line, number) => (File: Path.GetFileName(file), Number: number + 1, Text: Code(line))))
            .Where(line => Operation().IsMatch(line.Text)).Select(line => $"{line.File}:{line.Number}: {line.Text}");
        found.ShouldBeEmpty();
    }

    [Fact]
    public void No_two_methods_share_five_lines()
    {
        var seen = new Dictionary<string, string>();
        var shared = new List<string>();
        foreach (var folder in MethodFolders)
            foreach (var file in Files(folder))
            {
                string[] lines = [.. File.ReadLines(file).Select(Code).Where(line => line.Length > 2)];
                for (var i = 0; i + SharedLines <= lines.Length; i++)
                {
                    var run = string.Join('\n', lines[i..(i + SharedLines)]);
                    if (seen.TryGetValue(run, out var other) && other != folder) shared.Add($"{Path.GetFileName(other)} and {Path.GetFileName(folder)}:\n{run}");
                    else seen.TryAdd(run, folder);
                }
            }
        shared.ShouldBeEmpty();
    }

    [Fact]
    public void A_file_holds_the_type_that_it_is_named_after_and_no_other()
    {
        var found = Directory.EnumerateDirectories(Source, "Peft.*").SelectMany(Files).Where(file => !IsBuilt(file))
            .Select(file => (Name: Path.GetFileNameWithoutExtension(file).Split('.')[0], Types: File.ReadLines(file).Select(line => TypeDeclaration().Match(line)).Where(match => match.Success).Select(match => match.Groups[1].Value).Distinct().ToList()))
            .Where(file => file.Types.Count > 1 || (file.Types.Count == 1 && file.Types[0] != file.Name)).Select(file => $"{file.Name}.cs holds {string.Join(", ", file.Types)}");
        found.ShouldBeEmpty();
    }

    [Fact]
    public void No_type_has_more_than_twelve_virtual_members()
    {
        const BindingFlags Members = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance;
        var wide = OurAssemblies.SelectMany(assembly => assembly.GetExportedTypes()).Where(type => type is { IsSealed: false, IsInterface: false } && !typeof(Exception).IsAssignableFrom(type))
            .Select(type => (type.Name, Virtual: type.GetMethods(Members).Where(method => method is { IsVirtual: true, IsFinal: false } && !method.IsAssembly && !method.IsFamilyAndAssembly
                && IsOurs(method.GetBaseDefinition().DeclaringType!) && !method.GetBaseDefinition().IsDefined(typeof(System.Runtime.CompilerServices.CompilerGeneratedAttribute), false) && method.Name is not ("Equals" or "GetHashCode" or "ToString" or "PrintMembers" or "<Clone>$")).Select(method => method.Name).Distinct().ToList()))
            .Where(type => type.Virtual.Count > 12).Select(type => $"{type.Name} has {type.Virtual.Count}: {string.Join(", ", type.Virtual)}");
        wide.ShouldBeEmpty();
    }

    [Fact]
    public void Core_names_no_other_package()
    {
        string[] others = [.. Directory.EnumerateDirectories(Source, "Peft.*").Select(folder => Path.GetFileName(folder)).Where(name => name is not ("Peft.Core" or "Peft.Primitives"))];
        var found = Files(Path.Combine(Source, "Peft.Core")).Where(file => !IsBuilt(file))
            .SelectMany(file => File.ReadLines(file).Select(line => (File: Path.GetFileName(file), Text: WithoutComment(line))))
            .Where(line => others.Any(name => Regex.IsMatch(line.Text, $@"{Regex.Escape(name)}\b"))).Select(line => $"{line.File}: {line.Text}");
        found.ShouldBeEmpty();
    }

    [Fact]
    public void No_layer_refuses_a_kind_of_module_itself()
    {
        var found = MethodFolders.SelectMany(Files).Where(file => file.EndsWith("Layer.cs", StringComparison.Ordinal)).SelectMany(file => File.ReadAllText(file).Split(';').Select(statement => (File: Path.GetFileName(file), Text: statement.Trim())))
            .Where(statement => statement.Text.Contains("throw ", StringComparison.Ordinal) && Kind().IsMatch(statement.Text)).Select(statement => $"{statement.File}: {statement.Text}");
        found.ShouldBeEmpty();
    }

    [Fact]
    public void A_base_class_has_no_virtual_member_that_fewer_than_three_types_use()
    {
        const BindingFlags Members = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance;
        Type[] bases = [typeof(AdapterOptions), typeof(TargetedOptions), typeof(TensorOwner), typeof(AdapterLayer), typeof(DeltaLayer), typeof(ReweightLayer), typeof(TransformLayer), typeof(PromptLayer)];
        var concrete = OurAssemblies.SelectMany(assembly => assembly.GetTypes()).Where(type => !type.IsAbstract).ToList();
        var rare = bases.SelectMany(type => type.GetMethods(Members | BindingFlags.DeclaredOnly)
            .Where(method => method is { IsVirtual: true, IsFinal: false } && method.GetBaseDefinition() == method && (method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly) && !method.IsDefined(typeof(System.Runtime.CompilerServices.CompilerGeneratedAttribute), false) && method.Name is not ("PrintMembers" or "Equals" or "<Clone>$" or "get_EqualityContract"))
            .Where(method => concrete.Count(user => type.IsAssignableFrom(user) && user.GetMethods(Members).Any(own => own.GetBaseDefinition() == method && own.DeclaringType != type)) < 3)
            .Select(method => $"{type.Name}.{method.Name}"));
        // The counterpart of TransformOutput: the shape of the layer, which (IA)³ and invertible adapters use.
        rare.ShouldBe(["TransformLayer.TransformInput"]);
    }

    [Fact]
    public void From_rank_to_a_shape_a_reader_crosses_at_most_twelve_members_and_no_file_three_times()
    {
        var page = File.ReadAllText(Path.Combine(Source, "../docs/architecture.md"));
        var steps = Step().Matches(page).Select(match => (Member: match.Groups[1].Value, File: match.Groups[2].Value)).ToList();
        steps.Count.ShouldBeInRange(2, 12);
        steps.CountBy(step => step.File).ShouldAllBe(file => file.Value < 3);
        var read = "";
        foreach (var (member, file) in steps)
        {
            var text = File.ReadAllText(Path.Combine(Source, "..", file));
            var declaration = Regex.Match(text, $@"^    (?:public|protected|internal|private).* {member}(?:<\w+>)?\(", RegexOptions.Multiline);
            declaration.Success.ShouldBeTrue($"{file} declares no {member}");
            if (read.Length > 0) Regex.IsMatch(read, $@"\b{member}\(", RegexOptions.IgnoreCase).ShouldBeTrue($"nothing before it calls {member}");
            read += Body().Match(text, declaration.Index).Value;
        }
    }

    // The packages that this project references.
    private static readonly Assembly[] OurAssemblies = [.. Directory.EnumerateFiles(AppContext.BaseDirectory, "Peft.*.dll").Select(Path.GetFileNameWithoutExtension)
        .Where(name => Directory.Exists(Path.Combine(Source, name!))).Select(name => Assembly.Load(name!))];

    private static bool IsOurs(Type type) => OurAssemblies.Contains(type.Assembly);

    private static IEnumerable<string> Files(string folder) => Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories);

    // Without comments, strings and what every file has.
    private static string Code(string line)
    {
        line = WithoutComment(Strings().Replace(line, "\"\""));
        return line.StartsWith("using ", StringComparison.Ordinal) || line.StartsWith("namespace ", StringComparison.Ordinal) || line.StartsWith('[') ? "" : line;
    }

    private static string WithoutComment(string line) => line.IndexOf("//", StringComparison.Ordinal) is >= 0 and var comment ? line[..comment].Trim() : line.Trim();

    private static bool IsBuilt(string file) => file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal);

    [GeneratedRegex(@"\b(?:IsLookup|IsProduct|IsMatrix|IsParameter|ModuleKinds)\b|\.Kind\b")]
    private static partial Regex Kind();

    [GeneratedRegex(@"^\d+\. `(\w+)` in `(src/[^`]+)`", RegexOptions.Multiline)]
    private static partial Regex Step();

    // In one line, in braces, or an expression of several lines.
    [GeneratedRegex(@"\G(?:[^\n]*;\n|[^\n]*\n    \{.*?\n    \}\n|.*?;\n(?:\n|\}))", RegexOptions.Singleline)]
    private static partial Regex Body();

    [GeneratedRegex(@"^(?:public|internal)[a-z ]* (?:class|record|record struct|struct|interface|enum) (\w+)")]
    private static partial Regex TypeDeclaration();

    [GeneratedRegex("\\$?\"(?:[^\"\\\\]|\\\\.)*\"")]
    private static partial Regex Strings();

    [GeneratedRegex(@"\b(?:LinearTarget|EmbeddingTarget|ConvolutionTarget|LayerNormTarget|OwnTarget|ParameterTarget|TransposedLinear|Conv[123]d|Modules\.(?:Linear|Embedding|LayerNorm|RmsNorm))\b")]
    private static partial Regex Operation();
}
