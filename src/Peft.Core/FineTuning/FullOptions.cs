using System.Text.Json.Serialization;

[assembly: Peft.AdapterMethod("FULL", typeof(Peft.FullOptions))]

namespace Peft;

/// <summary>Full fine-tuning as an adapter: trains a copy of every parameter that required a gradient. Can be merged.</summary>
/// <remarks>
/// Hugging Face PEFT has no such method. The file contains every trained parameter as <c>base_model.model.&lt;path&gt;</c>, and tied ones once. Since the base weights
/// are kept in addition to the copy, they can be restored bit for bit. Merging uses the copy itself as the weights, so there is no third
/// one, except for a 16-bit model, whose copy is float32.
/// </remarks>
[MethodDescription("Full fine-tuning", "W′", "")]
[LearningRate(2e-5, SmallModel = 3e-3)]
public sealed record FullOptions() : AdapterOptions("FULL")
{
    /// <inheritdoc/>
    protected internal override AdapterPlan Plan(ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.Targets.FirstOrDefault(target => target.Storage.Parameter is null) is { } stored)
            throw new AdapterOptionsException($"Full fine-tuning trains every parameter, but the weight of {stored.Path} is stored as {stored.Storage.GetType().Name}, which cannot be trained. Use an adapter such as LoRA, or load the model with floating-point weights.");
        var layers = WholeParameters.Layers(model, model.Learning.Contains);
        return layers.Count > 0 ? new AdapterPlan(this, layers)
            : throw new TargetNotFoundException($"No parameter of {model.Model.GetType().Name} required a gradient before adapters were added, so there is nothing to train: set requires_grad on the parameters to train first.");
    }
}
