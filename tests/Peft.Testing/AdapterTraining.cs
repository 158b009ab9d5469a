using static TorchSharp.torch;

namespace Peft.Testing;

/// <summary>Adapters as if they had been trained.</summary>
public static class AdapterTraining
{
    /// <summary>Adds random values to all trainable tensors of the active adapters, so that they change the model.</summary>
    /// <param name="peft">The model.</param>
    /// <param name="size">The standard deviation of the values.</param>
    /// <param name="seed">The seed of the values; null to go on with torch's generator.</param>
    public static PeftModel Shake(this PeftModel peft, double size = 0.3, int? seed = null)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        if (seed is { } given) manual_seed(given);
        foreach (var tensor in peft.Trainables) tensor.Value.add_(randn_like(tensor.Value).mul(size));
        return peft;
    }
}
