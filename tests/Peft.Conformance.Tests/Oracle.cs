using System.Reflection;
using System.Text.Json;
using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests;

/// <summary>What Hugging Face PEFT computes: the folder that <c>PEFT_ORACLE</c> names, or those beside these tests: models of one size, models of random shapes and further architectures.</summary>
public static class Oracle
{
    /// <summary>The folders of cases; what is not a case lies in the first.</summary>
    public static IReadOnlyList<string> Roots { get; } = Environment.GetEnvironmentVariable("PEFT_ORACLE") is { Length: > 0 } folder ? [folder]
        : [.. typeof(Oracle).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Where(each => each.Key == "OracleFolder").Select(each => each.Value!)];

    public static string Folder => Roots[0];

    // Adapters that consist of others name their folders by paths from here.
    static Oracle() => Environment.CurrentDirectory = Folder;

    /// <summary>All cases of the manifests.</summary>
    public static IReadOnlyList<OracleCase> Cases { get; } = [.. Roots.SelectMany(Read)];

    /// <summary>The base models.</summary>
    public static IReadOnlyList<string> Bases { get; } = [.. Roots.SelectMany(root => Directory.GetDirectories(Path.Combine(root, "bases"))).Select(each => Path.GetFileName(each)!).Order(StringComparer.Ordinal)];

    /// <summary>The folder of a base model.</summary>
    public static string Base(string name) => Roots.Select(root => Path.Combine(root, "bases", name)).Single(Directory.Exists);

    /// <summary>The folder of a tokenizer.</summary>
    public static string Tokenizer(string kind) => new[] { Path.Combine(Folder, "tokenizers", kind), Path.Combine(AppContext.BaseDirectory, "Data", "tokenizers", kind) }.First(Directory.Exists);

    /// <summary>The cases that this version is to reproduce, for a theory.</summary>
    public static TheoryData<string> Supported(Func<OracleCase, bool>? choose = null)
        => [.. Cases.Where(each => Unsupported.Reason(each) is null && (choose?.Invoke(each) ?? true)).Select(each => each.Id)];

    public static OracleCase Case(string id) => Cases.Single(each => each.Id == id);

    /// <summary>The folders beside the manifest's cases, such as <c>multi</c>.</summary>
    public static IEnumerable<string> Folders(string kind)
        => Directory.Exists(Path.Combine(Folder, kind)) ? Directory.GetDirectories(Path.Combine(Folder, kind)).Select(each => Path.GetFileName(each)!).Order(StringComparer.Ordinal) : [];

    private static List<OracleCase> Read(string root)
    {
        using var manifest = JsonDocument.Parse(File.ReadAllText(Path.Combine(root, "manifest.json")));
        return [.. manifest.RootElement.GetProperty("cases").EnumerateArray().Select(each => new OracleCase(
            root, each.GetProperty("id").GetString()!, each.GetProperty("base").GetString()!, each.GetProperty("method").GetString()!,
            each.GetProperty("variant").GetString()!, each.GetProperty("task").GetString()!))];
    }
}

/// <summary>One case of the manifest.</summary>
public sealed record OracleCase(string Root, string Id, string Base, string Method, string Variant, string Task)
{
    public string Folder => Path.Combine(Root, "cases", Id);

    public string Adapter => Path.Combine(Folder, "adapter");

    public JsonElement Json => JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "case.json"))).RootElement;
}

/// <summary>The tensors of a case, and how close to them one must come.</summary>
public sealed class Expected : IDisposable
{
    private readonly SafetensorsFile file;
    private readonly double absolute, relative;
    private readonly HashSet<string> illConditioned;

    public Expected(string folder)
    {
        file = SafetensorsFile.Open(Path.Combine(folder, "io.safetensors"));
        var path = Path.Combine(folder, "case.json");
        using var json = File.Exists(path) ? JsonDocument.Parse(File.ReadAllText(path)) : JsonDocument.Parse("{}");
        (absolute, relative) = !json.RootElement.TryGetProperty("tolerance", out var tolerance) ? (2e-4, 1e-3)
            : tolerance.ValueKind == JsonValueKind.Number ? (Math.Max(tolerance.GetDouble(), HalfWidth(json.RootElement)), 1e-3)
            : (tolerance.GetProperty("atol").GetDouble(), tolerance.GetProperty("rtol").GetDouble());
        illConditioned = json.RootElement.TryGetProperty("ill_conditioned", out var names) ? [.. names.EnumerateArray().Select(name => name.GetString()!)] : [];
    }

    // How far Hugging Face PEFT in float32 is from itself in a half-width dtype, and half as much again after merging: these cases are computed in float32 here. The merged codes themselves are compared exactly.
    private static double HalfWidth(JsonElement json)
        => json.GetProperty("training").ValueKind == JsonValueKind.Null ? 1.5 * json.GetProperty("dequantized_max_diff").EnumerateObject().Max(each => each.Value.GetDouble()) : 0;

    public IEnumerable<string> Keys => file.Tensors.Keys;

    public bool Has(string name) => file.Tensors.ContainsKey(name);

    public Tensor Read(string name) => file.Read(name);

    /// <summary>Keys below a prefix, with it cut off; without those that PEFT itself does not reproduce.</summary>
    public IReadOnlyList<string> Below(string prefix)
        => [.. file.Tensors.Keys.Where(key => key.StartsWith(prefix, StringComparison.Ordinal) && !illConditioned.Contains(key)).Select(key => key[prefix.Length..])];

    /// <summary>What differs, in a sentence; null if nothing does.</summary>
    public string? Difference(string name, Tensor actual)
    {
        using var scope = NewDisposeScope();
        var expected = Read(name).to_type(ScalarType.Float64);
        if (!expected.shape.SequenceEqual(actual.shape)) return $"{name}: shape [{string.Join(", ", actual.shape)}], expected [{string.Join(", ", expected.shape)}]";
        var error = (actual.detach().to_type(ScalarType.Float64) - expected).abs();
        var excess = error - (expected.abs() * relative + absolute);
        return excess.le(0).all().item<bool>() ? null : $"{name}: off by {error.max().item<double>():G3} (largest value {expected.abs().max().item<double>():G3})";
    }

    /// <summary>Compares a tensor, unless PEFT itself does not reproduce it.</summary>
    public void ShouldEqual(string name, Tensor actual)
    {
        if (!illConditioned.Contains(name)) Difference(name, actual).ShouldBeNull();
    }

    /// <summary>Compares all tensors of a group, and names each that differs.</summary>
    public void ShouldEqual(string prefix, Func<string, Tensor?> actual)
    {
        var keys = Below(prefix);
        keys.ShouldNotBeEmpty($"the case has no tensors '{prefix}*'");
        keys.Select(key => actual(key) is { } tensor ? Difference(prefix + key, tensor) : $"{prefix}{key}: no such tensor")
            .Where(difference => difference is not null).ShouldBeEmpty();
    }

    public void Dispose() => file.Dispose();
}
