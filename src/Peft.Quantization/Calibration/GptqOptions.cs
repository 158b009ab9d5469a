using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>
/// GPTQ (Frantar et al. 2022, arXiv:2210.17323): inputs are quantized one after another, and the weights of later inputs make up for the error of earlier ones, as the sampled inputs
/// say. Saved as the hub's GPTQ checkpoints: in the first version of the format if symmetric, else in the second, which can hold every zero.
/// </summary>
public sealed record GptqOptions : CalibratedOptions
{
    /// <summary>Bits per value: 2, 3, 4 or 8. 4 by default.</summary>
    public int Bits { get; init; } = 4;

    /// <summary>True for the same grid on both sides of 0; false for a zero of each group.</summary>
    public bool IsSymmetric { get; init; } = true;

    /// <summary>True to quantize the inputs with the largest activations first (<c>desc_act</c>): often more accurate, but slower in some runtimes.</summary>
    public bool ActivationOrder { get; init; }

    /// <summary>With <see cref="ActivationOrder"/>: true for groups of consecutive inputs, whose grids follow from the unchanged weights; false for groups in the order of quantization.</summary>
    public bool StaticGroups { get; init; }

    /// <summary>Damping: the term added to the diagonal of the Hessian, as a fraction of its mean. 0.01 by default.</summary>
    public double Damping { get; init; } = 0.01;

    internal override string Name => "GPTQ";

    internal override string? WhyNot(long rows, long columns)
        => base.WhyNot(rows, columns) ?? (rows * Bits % 32 != 0 || columns * Bits % 32 != 0 ? $"{Bits} bits of [{rows}, {columns}] values do not fill whole words of 32" : null);

    internal override void Quantize(LayerCalibration layer)
    {
        while (layer.ObserveNext() is { } group)
        {
            using var freed = group;
            foreach (var module in group.Modules)
            {
                using var scope = NewDisposeScope();
                var matrix = module.Read();
                var size = SizeFor(matrix.size(0));
                var codes = GptqSolver.Solve(matrix, group.Inputs.Gram, this, module.Path);
                var (error, rounded) = (group.Inputs.Error(matrix, codes.Values()), group.Inputs.Error(matrix, GroupedCodes.Round(matrix, size, Bits, IsSymmetric, module.Path).Values()));
                layer.Replace(module, codes.ToGptq(Bits, size, IsSymmetric, module.Path), error, rounded);
            }
        }
    }

    private protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (!PackedBits.IsKnown(Bits)) yield return $"Bits must be 2, 3, 4 or 8, but was {Bits}.";
        if (!(Damping > 0 && double.IsFinite(Damping))) yield return $"Damping must be above 0, but was {Damping}.";
        if (StaticGroups && !ActivationOrder) yield return "StaticGroups has a meaning only with ActivationOrder: without it, groups are consecutive inputs anyway.";
    }
}
