using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>o∘p(i∘x) + b for another product p without a bias. If the outputs are scaled, those of p are kept. On the CPU in float32.</summary>
internal sealed unsafe class ScaledProduct : NodeProduct
{
    private readonly NodeProduct inner;
    private readonly Tensor? inputs, outputs, bias;
    private readonly bool inputsLearn, outputsLearn, biasLearns;
    private readonly int own;   // number of tensors before those of the inner product

    private ScaledProduct(NodeProduct inner, ChannelScales scales)
    {
        this.inner = inner;
        (inputs, outputs, bias) = (scales.Inputs?.AsContiguous(), scales.Outputs?.AsContiguous(), scales.Bias?.AsContiguous());
        Tensor[] all = [.. new[] { inputs, outputs, bias }.OfType<Tensor>()];
        (inputsLearn, outputsLearn, biasLearns) = (inputs?.requires_grad == true, outputs?.requires_grad == true, bias?.requires_grad == true);
        own = all.Length;
        Trained = [.. all, .. inner.Trained];
    }

    /// <summary>The factors and the bias, trained or not, then the trainable tensors of the inner product.</summary>
    public override Tensor[] Trained { get; }

    /// <summary>The product; null if the kernels do not support it.</summary>
    /// <param name="inner">p</param>
    /// <param name="scales">i, o and b</param>
    public static ScaledProduct? Of(NodeProduct inner, ChannelScales scales)
        => TensorMemory.Supports([.. new[] { scales.Inputs, scales.Outputs, scales.Bias }.OfType<Tensor>()]) ? new(inner, scales) : null;

    public override (Tensor Output, Tensor[] Kept) Multiply(Tensor x)
    {
        var scaled = inputs is null ? x : Scaled(x, inputs, null);
        var (output, kept) = inner.Multiply(scaled);
        if (!ReferenceEquals(scaled, x)) scaled.Dispose();
        return outputs is null ? (bias is null ? output : output.add_(bias, One), kept) : (Scaled(output, outputs, bias), [output, .. kept]);
    }

    public override Tensor[] Prepare(Tensor? x)
    {
        var (output, kept) = Multiply(x!);
        output.Dispose();
        return kept;
    }

    public override Tensor MultiplyAgain(Tensor x, ReadOnlySpan<Tensor> saved)
    {
        var (i, o, b) = Own(saved);
        if (o is not null) return Scaled(saved[Trained.Length], o, b);
        using var scaled = Scaled(x, i!, null);
        var output = inner.MultiplyAgain(scaled, saved[own..]);
        return b is null ? output : output.add_(b, One);
    }

    public override Tensor?[] Differentiate(Tensor? x, ReadOnlySpan<Tensor> saved, Tensor gradient, bool inputRequiresGrad, ref Tensor? ofInput)
    {
        var (i, o, b) = Own(saved);
        var (results, next) = (new Tensor?[Trained.Length], 0);
        Tensor[] rest = [.. saved[own..Trained.Length], .. saved[(Trained.Length + (o is null ? 0 : 1))..]];
        var slopes = o is null ? gradient : Scaled(gradient, o, null);
        var scaled = i is null ? x! : Scaled(x!, i, null);
        // The gradient of i∘x, which needs a tensor of its own if the inputs are scaled.
        Tensor? ofScaled = i is null ? ofInput : null;
        var ofInner = inner.Differentiate(scaled, rest, slopes, inputRequiresGrad || i is not null, ref ofScaled);
        if (i is null) ofInput = ofScaled;
        else
        {
            results[next++] = inputsLearn ? TrainedGradient.Of(i).AddRowwise(x!, ofScaled!, Products((int)i.numel())).Result : null;
            if (inputRequiresGrad)
            {
                var change = Scaled(ofScaled!, i, null);
                ofInput = ofInput is null ? change : ofInput.add_(change, One);
            }
            ofScaled!.Dispose();
            scaled.Dispose();
        }
        if (o is not null)
        {
            results[next++] = outputsLearn ? TrainedGradient.Of(o).AddRowwise(saved[Trained.Length], gradient, Products((int)o.numel())).Result : null;
            slopes.Dispose();
        }
        if (b is not null) results[next++] = biasLearns ? TrainedGradient.Of(b).AddSum(gradient).Result : null;
        ofInner.CopyTo(results, next);
        return results;
    }

    private (Tensor? Inputs, Tensor? Outputs, Tensor? Bias) Own(ReadOnlySpan<Tensor> saved)
    {
        var next = 0;
        return (inputs is null ? null : saved[next++], outputs is null ? null : saved[next++], bias is null ? null : saved[next]);
    }

    // Rows times factors, plus a bias.
    private static Tensor Scaled(Tensor rows, Tensor factors, Tensor? bias)
    {
        var size = (int)factors.numel();
        var result = CachingAllocator.EmptyLike(rows);
        var (from, to, by, plus) = (TensorAddress.Of(rows), TensorAddress.Of(result), TensorAddress.Of(factors), bias is null ? 0 : TensorAddress.Of(bias));
        TensorMemory.InShares((int)(rows.numel() / size), (_, start, count) =>
        {
            for (var row = start; row < start + count; row++) Scale((float*)from + (nint)row * size, (float*)by, (float*)plus, (float*)to + (nint)row * size, size);
        });
        GC.KeepAlive(rows);
        GC.KeepAlive(factors);
        GC.KeepAlive(bias);
        return result;
    }

    private static Action<nint, nint, nint> Products(int size) => (x, g, sum) => AddProducts((float*)x, (float*)g, (float*)sum, size);

    [MethodImpl(JitOptions.Loop)]
    private static void Scale(float* x, float* factors, float* bias, float* y, int size)
    {
        var i = 0;
        for (; i + 8 <= size; i += 8)
        {
            var value = Vector256.Load(x + i) * Vector256.Load(factors + i);
            (bias == null ? value : value + Vector256.Load(bias + i)).Store(y + i);
        }
        for (; i < size; i++) y[i] = x[i] * factors[i] + (bias == null ? 0 : bias[i]);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void AddProducts(float* x, float* g, float* sum, int size)
    {
        var i = 0;
        for (; i + 8 <= size; i += 8) Vector256.FusedMultiplyAdd(Vector256.Load(x + i), Vector256.Load(g + i), Vector256.Load(sum + i)).Store(sum + i);
        for (; i < size; i++) sum[i] += x[i] * g[i];
    }
}
