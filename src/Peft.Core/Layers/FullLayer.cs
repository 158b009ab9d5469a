using Peft.Kernels;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Fully trains a module: trained copies replace its weight and bias (<c>modules_to_save</c>, partial and full fine-tuning).</summary>
public sealed class FullLayer : ReweightLayer
{
    private readonly Parameter? weight;
    private readonly Parameter? bias;

    /// <param name="target">The module.</param>
    /// <param name="prefix">Prefix of <c>weight</c> and <c>bias</c> in the saved names.</param>
    /// <param name="amongBiases">
    /// True if the adapter trains and saves all biases: Hugging Face's file then also contains this bias and the module's original bias under the names of its wrapper.
    /// </param>
    public FullLayer(Target target, string prefix = "", bool amongBiases = false) : base(target)
    {
        ArgumentNullException.ThrowIfNull(target);
        weight = Trainable(prefix + "weight", Copy(target.Storage.Read()));
        if (target.Bias is not { } own) return;
        bias = Trainable(prefix + "bias", Copy(own));
        if (!amongBiases) return;
        Shared("modules_to_save.bias", bias, saved: true);
        Frozen("original_module.bias", Copy(own));
    }

    /// <summary>Creates the layer of a module whose weight is tied to that of another module. It uses the trained weight of the other module and also saves it.</summary>
    internal FullLayer(Target target, FullLayer owner) : base(target)
    {
        weight = Shared("weight", owner.weight!, saved: true);
        if (target.Bias is { } own) bias = Trainable("bias", Copy(own));
    }

    /// <summary>Trains a module's weight, its bias or both.</summary>
    /// <param name="target">The module or parameter.</param>
    /// <param name="trainsWeight">True to train the weight.</param>
    /// <param name="trainsBias">True to train the bias, if there is one.</param>
    /// <param name="tiedTo">The layer that owns the trained weight, if the module's weight is tied to that of another module.</param>
    internal FullLayer(Target target, bool trainsWeight, bool trainsBias, FullLayer? tiedTo) : base(target)
    {
        if (tiedTo is not null) weight = Shared(target.WeightName, tiedTo.weight!, saved: false);
        else if (trainsWeight) weight = Trainable(target.WeightName, Copy(target.Storage.Read()));
        if (trainsBias && target.Bias is { } own) bias = Trainable("bias", Copy(own));
    }

    /// <summary>The trained weight, if any.</summary>
    internal Parameter? Weight => weight;

    /// <summary>The trained bias, if any.</summary>
    internal Parameter? Bias => bias;

    /// <summary>The module with the trained tensors as a product of a step; null if the kernels do not support it.</summary>
    internal NodeProduct? AsProduct() => (weight ?? Target.Storage.Parameter) is { } values ? TrainedProduct.Of(values, Target.IsStoredTransposed, bias ?? Target.Bias) : null;

    internal override bool ChangesWeight => weight is not null;

    /// <summary>True if both layers use the same weight, which two modules share.</summary>
    internal bool HasWeightOf(FullLayer other) => ReferenceEquals(weight, other.weight);

    /// <inheritdoc/>
    protected internal override Tensor Forward(Tensor input, Inner inner)
    {
        // All values of the module are replaced, so those of a 16-bit model need not be converted to float32.
        if (!inner.IsBare || weight is null || (bias is null && Target.Bias is not null)) return base.Forward(input, inner);
        var type = Target.ComputeType;
        return Target.Apply(input, Target.ToMatrix(weight.to_type(type)), bias?.to_type(type));
    }

    /// <inheritdoc/>
    protected override Weights Reweight(Weights inner) => new(weight is null ? inner.Weight : Target.ToMatrix(weight), bias ?? inner.Bias);

    private static Tensor Copy(Tensor value)
    {
        using var _ = no_grad();
        return value.detach().clone();
    }
}
