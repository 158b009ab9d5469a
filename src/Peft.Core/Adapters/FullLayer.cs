using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>A module trained whole: a copy of its weight and bias stands for them (<c>modules_to_save</c>).</summary>
public sealed class FullLayer : ReweightLayer
{
    private readonly Parameter weight;
    private readonly Parameter? bias;

    /// <param name="target">The module.</param>
    /// <param name="prefix">What stands before <c>weight</c> and <c>bias</c> in the saved names.</param>
    /// <param name="amongBiases">Whether the adapter trains and saves all biases: Hugging Face's file then holds this one, and the module's own, under the names of its wrapper too.</param>
    public FullLayer(Target target, string prefix = "", bool amongBiases = false) : base(target)
    {
        ArgumentNullException.ThrowIfNull(target);
        weight = Trainable(prefix + "weight", Copy(target.Weight));
        if (target.Bias is not { } own) return;
        bias = Trainable(prefix + "bias", Copy(own));
        if (!amongBiases) return;
        Shared("modules_to_save.bias", bias, saved: true);
        Frozen("original_module.bias", Copy(own));
    }

    /// <summary>The layer of a module whose weight is tied to another's: it follows that one's training, and is saved too.</summary>
    internal FullLayer(Target target, FullLayer owner) : base(target)
    {
        weight = Shared("weight", owner.weight, saved: true);
        if (target.Bias is { } own) bias = Trainable("bias", Copy(own));
    }

    /// <inheritdoc/>
    protected override Weights Reweight(Weights inner) => new(Target.ToMatrix(weight), bias);

    private static Tensor Copy(Tensor value)
    {
        using var _ = no_grad();
        return value.detach().clone();
    }
}
