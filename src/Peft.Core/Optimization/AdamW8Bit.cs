using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft;

/// <summary>AdamW with moments in the dynamic 8-bit data type.</summary>
internal sealed class AdamW8Bit : SliceOptimizer
{
    private const int BlockSize = 256;

    private readonly AdamW8BitOptions options;
    private readonly PagedMemory? pages;

    public AdamW8Bit(FlatParameters parameters, double learningRate, AdamW8BitOptions options) : base(parameters, learningRate, options)
        => (this.options, pages) = (options, PagesOf(options.Paged, options.PageFolder));

    private protected override PagedMemory? Pages => pages;

    private protected override void Update(Tensor value, Tensor gradient, SliceState state, double rate, double decay)
    {
        var steps = state.Count();
        var wide = gradient.to_type(ScalarType.Float32).reshape(-1);
        var isRounded = value.numel() >= options.SmallestRounded;
        var mean = Moment("exp_avg", DynamicCode.Signed).mul_(Constant(options.Beta1)).add_(wide, alpha: Constant(1 - options.Beta1));
        var square = Moment("exp_avg_sq", DynamicCode.Unsigned).mul_(Constant(options.Beta2)).addcmul_(wide, wide, Constant(1 - options.Beta2));
        var denominator = square.div(Constant(1 - Math.Pow(options.Beta2, steps))).sqrt_().add_(Constant(options.Epsilon), One);
        var kept = value.to_type(ScalarType.Float32).reshape(-1).mul(Constant(1 - rate * decay));
        value.copy_(kept.addcdiv_(mean, denominator, Constant(-rate / (1 - Math.Pow(options.Beta1, steps)))).view(value.shape));
        if (!isRounded) return;
        Round("exp_avg", mean, DynamicCode.Signed);
        Round("exp_avg_sq", square, DynamicCode.Unsigned);

        Tensor Moment(string name, float[] code)
        {
            if (!isRounded) return state.Zeros(name, wide);
            if (!state.Has(name)) return zeros_like(wide);
            return DynamicCode.Dequantize(state.Zeros(name, wide), state.Zeros(name + "_absmax", wide), tensor(code, device: wide.device), BlockSize);
        }

        void Round(string name, Tensor moment, float[] code)
        {
            var (codes, scales) = DynamicCode.Quantize(moment, code, BlockSize);
            state.Set(name, codes);
            state.Set(name + "_absmax", scales);
        }
    }
}
