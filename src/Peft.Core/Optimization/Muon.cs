using static TorchSharp.torch;

namespace Peft;

/// <summary>Muon, with orthogonalized momentum for matrices.</summary>
internal sealed class Muon(FlatParameters parameters, double learningRate, MuonOptions options) : SliceOptimizer(parameters, learningRate, options)
{
    private protected override void Update(Tensor value, Tensor gradient, SliceState state, double rate, double decay)
    {
        if (value.dim() != 2)
        {
            AdamStep.Run(value, gradient, state, rate * options.AdamWScale, decay, options.Beta1, options.Beta2, options.Epsilon);
            return;
        }
        var momentum = state.Zeros("momentum_buffer", value).lerp_(gradient, full(1, Constant(1 - options.Momentum), value.dtype, device: value.device));
        var update = Orthogonalize(gradient.lerp(momentum, full(1, Constant(options.Momentum), value.dtype, device: value.device)), options.Iterations);
        value.mul_(Constant(1 - rate * decay)).add_(update, alpha: Constant(-rate * Math.Sqrt(Math.Max(1, (double)value.size(0) / value.size(1)))));
    }

    // A quintic Newton–Schulz iteration that drives all singular values towards 1, with the coefficients of the source.
    internal static Tensor Orthogonalize(Tensor matrix, int iterations)
    {
        const double A = 3.4445, B = -4.7750, C = 2.0315;
        var tall = matrix.size(0) > matrix.size(1);
        var x = tall ? matrix.t() : matrix;
        x = x.div(x.norm().add(Constant(1e-7), One));
        for (var i = 0; i < iterations; i++)
        {
            var gram = x.mm(x.t());
            x = x.mul(Constant(A)).add_(gram.mul(Constant(B)).add_(gram.mm(gram), alpha: Constant(C)).mm(x), One);
        }
        return tall ? x.t() : x;
    }
}
