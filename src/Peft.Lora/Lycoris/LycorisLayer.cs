using static TorchSharp.torch;

namespace Peft.Lora;

/// <summary>
/// What LoHa and LoKr have in common (Yeh et al. 2023, arXiv:2309.14859): the scaling alpha/rank, a factor of its own for a
/// convolution's kernel, and dropout of rows of the update or of all of it.
/// </summary>
internal abstract class LycorisLayer : DeltaLayer
{
    private readonly double rowDropout, moduleDropout;

    protected LycorisLayer(Target target, LycorisOptions options) : base(target)
    {
        Rank = options.RankPattern.At(target.Path, options.Rank);
        Scaling = options.AlphaPattern.At(target.Path, options.Alpha) / Rank;
        (rowDropout, moduleDropout) = (options.RankDropout, options.ModuleDropout);
        var input = target.InputFactorShape(1)[1..];   // [in/groups, kernel…]
        Channels = input[0];
        Kernel = input[1..];
        if (options.UseEffectiveConv2d && Kernel.Any(size => size > 1)) CoreShape = [Rank, Rank, .. Kernel, .. Kernel.Length == 1 ? [1L] : Array.Empty<long>()];
    }

    protected int Rank { get; }

    protected double Scaling { get; }

    /// <summary>Input channels: the columns of the weight without the kernel.</summary>
    protected long Channels { get; }

    /// <summary>Size of a convolution's kernel; empty for other modules.</summary>
    protected long[] Kernel { get; }

    /// <summary>Shape of the factor for the kernel, two-dimensional as Hugging Face has it; null where there is none.</summary>
    protected long[]? CoreShape { get; }

    /// <summary>Whether kept rows make up for those that are dropped.</summary>
    protected virtual bool RescalesRows => true;

    private bool DropsRows => Training && (rowDropout > 0 || moduleDropout > 0);

    protected override double CostPerPosition => DropsRows ? 0 : base.CostPerPosition;

    protected override Tensor Apply(Tensor input)
    {
        var added = base.Apply(input);
        if (!DropsRows) return added;
        using var _ = no_grad();
        var kept = rand(Target.Out, device: added.device).gt(Kept(rowDropout)).to_type(added.dtype);
        if (RescalesRows) kept = kept.div(kept.mean().clamp_min(Kept(1.0 / Target.Out)));
        kept = kept.mul(rand(1, device: added.device).gt(Kept(moduleDropout)).to_type(added.dtype));
        using var grad = enable_grad();
        return added.mul(Target.AlongOutput(kept));
    }

    /// <summary>A Tucker product: core <c>[i, j, kernel…]</c>, factors <c>[i, rows]</c> and <c>[j, columns]</c> give <c>[rows, columns, kernel…]</c>.</summary>
    protected static Tensor Tucker(Tensor core, Tensor rows, Tensor columns) => einsum("ij...,ip,jr->pr...", core, rows, columns);
}
