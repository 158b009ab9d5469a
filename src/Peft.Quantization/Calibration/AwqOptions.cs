using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>
/// AWQ (Lin et al. 2023, arXiv:2306.00978) of 4 bits with zeros: inputs with large activations are multiplied in the weights before these are rounded, and divided out in the norm or module
/// that they come from. Then weights are clipped where that lowers the error. Where the factors cannot be folded into anything, weights are rounded as they are. Saved as the hub's AWQ checkpoints in the layout <c>gemm</c>.
/// </summary>
public sealed record AwqOptions : CalibratedOptions
{
    /// <summary>Number of exponents that are tried, from 0 up to below 1. 20 by default.</summary>
    public int Steps { get; init; } = 20;

    /// <summary>True, the default, to search for the range of each group of weights, from the largest down to half of it (but for queries and keys); false for the largest.</summary>
    public bool Clip { get; init; } = true;

    internal override string Name => "AWQ";

    internal override string? WhyNot(long rows, long columns) => base.WhyNot(rows, columns) ?? (rows % 8 != 0 ? $"{rows} outputs are not a multiple of 8" : null);

    internal override string? WhyNot(nn.Module model)
        => model is ILayeredModel { Layers.Count: > 0 } ? null : $"AWQ divides the inputs of modules in the norms and modules before them, which a {model.GetType().Name} does not tell: use GPTQ.";

    internal override void Quantize(LayerCalibration layer)
    {
        using var all = NewDisposeScope();
        var groups = layer.ObserveAll();
        try
        {
            AwqScaling.Apply(layer, groups, this);
        }
        finally
        {
            foreach (var group in groups) group.Dispose();
        }
    }

    private protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (Steps is < 1 or > 1000) yield return $"Steps must be from 1 to 1000, but was {Steps}.";
    }
}
