using System.ComponentModel;
using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>How C3A's kernels start.</summary>
[TypeConverter(typeof(EnumNames<C3aInitialization>))]
public enum C3aInitialization
{
    /// <summary>Uniform by Xavier's rule for the whole weight.</summary>
    [JsonStringEnumMemberName("xavier_uniform")] XavierUniform,

    /// <summary>Uniform on ±1/√in.</summary>
    [JsonStringEnumMemberName("kaiming_uniform")] KaimingUniform,

    /// <summary>Normal with deviation 1.</summary>
    [JsonStringEnumMemberName("gaussian")] Gaussian,

    /// <summary>Zero: the adapter changes nothing until it is trained.</summary>
    [JsonStringEnumMemberName("true")] Zero,

    /// <summary>As <see cref="XavierUniform"/>, by its other spelling.</summary>
    [JsonStringEnumMemberName("false")] Random,
}

/// <summary>
/// C3A (Chen et al. 2024, arXiv:2407.19342): W + C/in with C made of circulant blocks b × b, each a trained kernel of b numbers; products
/// with it go by fast Fourier transforms. Merges.
/// </summary>
[MethodDescription("C³A", "W + C/in, C of circulant blocks", "Chen et al. 2024, arXiv:2407.19342")]
[LearningRate(3e-1)]
[WrittenIfSet("exclude_modules")]
public sealed record C3aOptions() : BiasedUpdateOptions("C3A")
{
    /// <summary>Side b of the blocks; a divisor of each target's inputs and outputs.</summary>
    [JsonPropertyName("block_size")] public int BlockSize { get; init; } = 256;

    /// <summary>Sides that differ from <see cref="BlockSize"/>, by the last parts of a module's path or a regular expression for them.</summary>
    [JsonPropertyName("block_size_pattern")] public IReadOnlyDictionary<string, int>? BlockSizePattern { get; init; } = new Dictionary<string, int>();

    /// <summary>How the kernels start.</summary>
    [JsonPropertyName("init_weights"), JsonConverter(typeof(FlagOrName<C3aInitialization>))] public C3aInitialization Initialization { get; init; }

    /// <summary>
    /// Whether the gradient that a layer passes on to its input is the exact one. Hugging Face PEFT's reads the kernels backwards there;
    /// false (the default) trains as it does.
    /// </summary>
    [JsonIgnore] public bool ExactGradient { get; init; }

    /// <inheritdoc/>
    protected override bool WritesFanInFanOut => false;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (BlockSize < 1) yield return $"BlockSize must be at least 1, but was {BlockSize}.";
    }

    /// <inheritdoc/>
    protected override AdapterLayer CreateLayer(Target target) => new C3aLayer(target, this);
}
