namespace Peft;

/// <summary>
/// BOFT (Liu et al. 2023, arXiv:2311.06243): OFT with butterfly factors, whose small blocks interleave to reach far, and a
/// trained scale per output. Mergeable.
/// </summary>
[MethodDescription("BOFT", "diag(s)·W·∏R, R butterfly factors", "Liu et al. 2023, arXiv:2311.06243")]
[LearningRate(4e-4)]
[SupportedModules(ModuleKinds.Linear | ModuleKinds.Convolution | ModuleKinds.GroupedConvolution)]
[FanInFanOut]
public sealed record BoftOptions() : RotationOptions("BOFT")
{
    /// <summary>Size of the blocks; 0 to set their number instead.</summary>
    [JsonPropertyName("boft_block_size")] public int BlockSize { get; init; } = 4;

    /// <summary>Number of blocks; 0 to set their size instead.</summary>
    [JsonPropertyName("boft_block_num")] public int BlockCount { get; init; }

    /// <summary>
    /// Number of butterfly factors, at least 1. Hugging Face PEFT without its CUDA extension always uses one, so the tensors in a file take
    /// precedence over this.
    /// </summary>
    [JsonPropertyName("boft_n_butterfly_factor"), AtLeast(1)] public int ButterflyFactors { get; init; } = 1;

    /// <summary>Fraction of the blocks of one random factor that each training step leaves unrotated.</summary>
    [JsonPropertyName("boft_dropout"), Probability] public double Dropout { get; init; }

    protected override IEnumerable<string> Errors() => base.Errors().Concat(BlockErrors.Of(BlockCount, BlockSize));

    protected override AdapterLayer CreateLayer(Target target) => new BoftLayer(target, this);
}
