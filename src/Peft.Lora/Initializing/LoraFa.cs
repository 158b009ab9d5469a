namespace Peft;

/// <summary>
/// LoRA-FA (Zhang et al. 2023, arXiv:2308.03303): A is frozen, which saves the memory of its gradient and of the activations needed to compute it.
/// </summary>
public static class LoraFa
{
    /// <summary>AdamW options for LoRA-FA, as in Hugging Face PEFT's <c>create_lorafa_optimizer</c>.</summary>
    public static AdamWOptions Optimizer { get; } = new() { Epsilon = 1e-6, EpsilonBeforeCorrection = true };

    /// <summary>
    /// Freezes A of the active LoRA adapters. Returns the gradient correction for B, g ← g·(A·Aᵀ)⁻¹/s², which makes its step the best low-rank
    /// approximation of the full gradient step. Set it as the trainer's <see cref="Trainer.GradientTransform"/>.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <exception cref="AdapterOptionsException">An active adapter is of a LoRA variant whose factors are not plain matrices A and B.</exception>
    public static Action<IReadOnlyList<TrainableTensor>> FreezeA(this PeftModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        foreach (var name in model.Active)
            if (model.Find(name).Options is LoraOptions { HasOwnShape: true } options)
                throw new AdapterOptionsException($"LoRA-FA is defined for plain factors, but '{name}' has {options.Variants[0]}: leave that out, or train without LoRA-FA.");
        var layers = model.Active.SelectMany(name => model.Find(name).Layers).OfType<LoraLayer>().ToList();
        foreach (var layer in layers) layer.FreezeA();
        return _ =>
        {
            using var step = NewDisposeScope();
            using var none = no_grad();
            foreach (var layer in layers) layer.CorrectGradient();
        };
    }
}
