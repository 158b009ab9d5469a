namespace Peft.Lora;

/// <summary>
/// Base of LoHa and LoKr (Yeh et al. 2023, arXiv:2309.14859): the scaling alpha/rank, an optional core tensor for a
/// convolution's kernel, and dropout of rows of the update or of the entire update.
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

    /// <summary>Number of input channels: the columns of the weight without the kernel dimensions.</summary>
    protected long Channels { get; }

    /// <summary>Size of a convolution's kernel; empty for other modules.</summary>
    protected long[] Kernel { get; }

    /// <summary>Shape of the kernel's core tensor, with at least two kernel dimensions as in Hugging Face PEFT; null if there is none.</summary>
    protected long[]? CoreShape { get; }

    /// <summary>True to scale up the remaining rows when some are dropped.</summary>
    protected virtual bool RescalesRows => true;

    private bool DropsRows => Training && (rowDropout > 0 || moduleDropout > 0);

    protected override double CostPerPosition => DropsRows ? 0 : base.CostPerPosition;

    protected override Tensor Apply(Tensor input)
    {
        var added = base.Apply(input);
        if (!DropsRows) return added;
        using var _ = no_grad();
        var kept = rand(Target.Out, device: added.device).gt(Constant(rowDropout)).to_type(added.dtype);
        if (RescalesRows) kept = kept.div(kept.mean().clamp_min(Constant(1.0 / Target.Out)));
        kept = kept.mul(rand(1, device: added.device).gt(Constant(moduleDropout)).to_type(added.dtype));
        using var grad = enable_grad();
        return added.mul(Target.AlongOutput(kept));
    }

    /// <summary>
    /// Tucker product: core <c>[i, j, kernel…]</c> with factors <c>[i, rows]</c> and <c>[j, columns]</c> gives <c>[rows, columns, kernel…]</c>.
    /// </summary>
    protected static Tensor Tucker(Tensor core, Tensor rows, Tensor columns) => einsum("ij...,ip,jr->pr...", core, rows, columns);
}
