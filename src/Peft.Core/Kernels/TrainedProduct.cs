using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>x·Wᵀ + b with a trained W, a trained b, or both. On the CPU in float32.</summary>
internal sealed unsafe class TrainedProduct : NodeProduct
{
    private readonly Tensor stored;
    private readonly Tensor? bias;
    private readonly int inputs, outputs;
    private readonly bool isTransposed, isSmall, weightLearns, biasLearns;

    private TrainedProduct(Tensor stored, bool isTransposed, Tensor? bias)
    {
        (this.stored, this.isTransposed, this.bias) = (stored, isTransposed, bias);
        (inputs, outputs) = isTransposed ? ((int)stored.size(0), (int)stored.size(1)) : ((int)stored.size(1), (int)stored.size(0));
        isSmall = !isTransposed && SmallMatrix.Supports(inputs, outputs);
        (weightLearns, biasLearns) = (stored.requires_grad, bias?.requires_grad == true);
        Trained = weightLearns ? biasLearns ? [stored, bias!] : [stored] : biasLearns ? [bias!] : [];
    }

    public override Tensor[] Trained { get; }

    /// <summary>The product; null if the kernels do not support it.</summary>
    /// <param name="weight">W <c>[out, in]</c>, or its transpose.</param>
    /// <param name="isTransposed">True if the weight is stored as <c>[in, out]</c>.</param>
    /// <param name="bias">b <c>[out]</c>, or null.</param>
    public static TrainedProduct? Of(Tensor weight, bool isTransposed, Tensor? bias)
        => TensorMemory.Supports(weight, bias ?? weight) && weight.is_contiguous() && bias?.is_contiguous() != false ? new(weight, isTransposed, bias) : null;

    public override (Tensor Output, Tensor[] Kept) Multiply(Tensor x) => (Multiply(x, stored, bias, null), Prepare(x));

    public override (Tensor Output, Tensor[] Kept) MultiplyAndAdd(Tensor x, Tensor residual) => (Multiply(x, stored, bias, residual), Prepare(x));

    // Those that are not trained.
    public override Tensor[] Prepare(Tensor? x) => [.. weightLearns ? [] : new[] { stored }, .. biasLearns || bias is null ? [] : new[] { bias }];

    public override Tensor MultiplyAgain(Tensor x, ReadOnlySpan<Tensor> saved) => Multiply(x, Weight(saved), bias is null ? null : biasLearns ? saved[Trained.Length - 1] : saved[^1], null);

    private Tensor Weight(ReadOnlySpan<Tensor> saved) => saved[weightLearns ? 0 : Trained.Length];

    private SmallMatrix Small => new(inputs, outputs);

    private Tensor Multiply(Tensor x, Tensor weight, Tensor? added, Tensor? residual)
    {
        if (isSmall) return Small.Multiply(x, (float*)TensorAddress.Of(weight), added, residual);
        using var values = Values(weight);
        if (MatrixProduct.Supports(x, values, values.size(1))) return MatrixProduct.Run(x, values, added, residual: residual);
        var output = nn.functional.linear(x, values, added).AsContiguous();
        return residual is null ? output : output.add_(residual, One);
    }

    public override Tensor?[] Differentiate(Tensor? x, ReadOnlySpan<Tensor> saved, Tensor gradient, bool inputRequiresGrad, ref Tensor? ofInput)
    {
        var weight = Weight(saved);
        if (inputRequiresGrad && isSmall)
        {
            Small.AddTransposed(gradient, (float*)TensorAddress.Of(weight), ref ofInput);
        }
        else if (inputRequiresGrad)
        {
            using var values = Values(weight);
            new FrozenMatrix(values).AddTransposed(gradient, ref ofInput);
        }
        var results = new Tensor?[Trained.Length];
        if (weightLearns) results[0] = (isTransposed ? TrainedGradient.Of(weight).AddProduct(x!, gradient) : TrainedGradient.Of(weight).AddProduct(gradient, x!)).Result;
        if (biasLearns) results[^1] = TrainedGradient.Of(saved[Trained.Length - 1]).AddSum(gradient).Result;
        return results;
    }

    private Tensor Values(Tensor weight) => isTransposed ? weight.t() : weight.alias();
}
