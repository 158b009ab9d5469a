namespace Peft;

/// <summary>
/// C3A (Chen et al. 2024, arXiv:2407.19342): W + C/in, where C consists of b × b circulant blocks, each given by a trained kernel of b
/// values. Products with C use fast Fourier transforms. Mergeable.
/// </summary>
[MethodDescription("C³A", "W + C/in, C of circulant blocks", "Chen et al. 2024, arXiv:2407.19342")]
[LearningRate(3e-1)]
[WrittenIfSet("exclude_modules")]
public sealed record C3aOptions() : BiasedOptions("C3A")
{
    /// <summary>Size b of the blocks. It must divide the input and output size of each target.</summary>
    [JsonPropertyName("block_size"), AtLeast(1)] public int BlockSize { get; init; } = 256;

    /// <summary>Block sizes that override <see cref="BlockSize"/>. A key is the end of a module's path, or a regular expression that matches it.</summary>
    [JsonPropertyName("block_size_pattern")] public IReadOnlyDictionary<string, int>? BlockSizePattern { get; init; } = new Dictionary<string, int>();

    /// <summary>Initialization of the kernels.</summary>
    [JsonPropertyName("init_weights"), JsonConverter(typeof(FlagOrName<C3aInitialization>))] public C3aInitialization Initialization { get; init; }

    /// <summary>
    /// True to compute the exact gradient with respect to the layer's input. Hugging Face PEFT applies the kernels in reverse order there;
    /// false (the default) reproduces that.
    /// </summary>
    [JsonIgnore] public bool ExactGradient { get; init; }

    protected override ModuleSelector? DefaultTargets(ModelTree model) => DefaultsFor(model, MethodTargets.Spectral) ?? base.DefaultTargets(model);

    protected override AdapterLayer CreateLayer(Target target) => new C3aLayer(target, this);
}
