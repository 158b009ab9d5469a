using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Modules;

/// <summary>y = x·Wᵀ + b, with W [out, in]: <c>[…, in]</c> to <c>[…, out]</c>.</summary>
public sealed class Linear(long inputs, long outputs, bool bias = true, ScalarType? dtype = null, Device? device = null)
    : AdaptableModule([outputs, inputs], bias ? outputs : null, dtype, device)
{
    /// <inheritdoc/>
    public override Tensor Apply(Tensor input, Tensor weight, Tensor? bias)
        => StepProduct.Takes(input, weight, bias, inputs) ? StepProduct.Run(input, weight, bias, (int)inputs) : nn.functional.linear(input, weight, bias);
}

/// <summary>y = x·W + b, with W [in, out] (GPT-2's Conv1D): <c>[…, in]</c> to <c>[…, out]</c>.</summary>
public sealed class TransposedLinear(long inputs, long outputs, bool bias = true, ScalarType? dtype = null, Device? device = null)
    : AdaptableModule([inputs, outputs], bias ? outputs : null, dtype, device)
{
    /// <inheritdoc/>
    public override Tensor Apply(Tensor input, Tensor weight, Tensor? bias)
    {
        using var turned = weight.t();
        return nn.functional.linear(input, turned, bias);
    }
}

/// <summary>Row lookup in a table [rows, size]: <c>[…]</c> of ids to <c>[…, size]</c>.</summary>
public sealed class Embedding(long rows, long size, ScalarType? dtype = null, Device? device = null)
    : AdaptableModule([rows, size], null, dtype, device)
{
    /// <inheritdoc/>
    public override Tensor Apply(Tensor input, Tensor weight, Tensor? bias) => Lookup(input, weight);

    /// <summary>Looks up the rows <c>[…, size]</c> of a table [rows, size] for ids <c>[…]</c>. Differentiable with respect to the table.</summary>
    public static Tensor Lookup(Tensor ids, Tensor table)
    {
        using var flat = ids.reshape(-1);
        using var rows = table.index_select(0, flat);
        return rows.view([.. ids.shape, table.shape[1]]);
    }
}

/// <summary>y = x / √(mean(x²) + ε) ∘ w over the last dimension (Zhang and Sennrich 2019, arXiv:1910.07467).</summary>
/// <param name="size">Length of the last dimension.</param>
/// <param name="epsilon">Term added to the mean square.</param>
/// <param name="offset">Term added to the weight: 1 for Gemma, which stores w − 1.</param>
/// <param name="dtype">Dtype of the weight.</param>
/// <param name="device">Device of the weight.</param>
public sealed class RmsNorm(long size, double epsilon, double offset = 0, ScalarType? dtype = null, Device? device = null)
    : AdaptableModule([size], null, dtype, device)
{
    /// <inheritdoc/>
    public override Tensor Apply(Tensor input, Tensor weight, Tensor? bias)
    {
        if (RootMeanSquare.Takes(input, weight)) return RootMeanSquare.Run(input, weight, epsilon, offset);
        // Computed in float32 for any input dtype, as in all published models.
        using var x = input.to_type(ScalarType.Float32);
        using var square = x.square();
        using var mean = square.mean([-1], keepdim: true);
        using var shifted = mean.add(Kept(epsilon), One);
        using var scale = shifted.rsqrt();
        using var normal = x.mul(scale);
        if (offset == 0)
        {
            using var cast = normal.to_type(input.dtype);
            return cast.mul(weight);
        }
        using var wide = weight.to_type(ScalarType.Float32);
        using var gain = wide.add(Kept(offset), One);
        using var y = normal.mul(gain);
        return y.to_type(input.dtype);
    }
}

/// <summary>y = (x − mean) / √(var + ε) ∘ w + b over the last dimension.</summary>
public sealed class LayerNorm(long size, double epsilon = 1e-5, bool bias = true, ScalarType? dtype = null, Device? device = null)
    : AdaptableModule([size], bias ? size : null, dtype, device)
{
    /// <inheritdoc/>
    public override Tensor Apply(Tensor input, Tensor weight, Tensor? bias)
        => nn.functional.layer_norm(input, [size], weight, bias, epsilon);
}
