using System.Text.Json.Serialization;

[assembly: Peft.AdapterMethod("FULL", typeof(Peft.FullOptions))]

namespace Peft;

/// <summary>Full fine-tuning as an adapter: every parameter that required a gradient is trained, on a copy. Merges.</summary>
/// <remarks>
/// Hugging Face PEFT has no such method. The file holds every trained parameter as <c>base_model.model.&lt;path&gt;</c>, tied ones once. The copy
/// beside the base weights is what lets the base come back bit for bit; merging takes the copy itself for the weights and makes no third
/// one, unless the model is of a half-width type, whose copy is wider.
/// </remarks>
[MethodDescription("Full fine-tuning", "W′", "")]
[LearningRate(2e-5, SmallModel = 3e-3)]
public sealed record FullOptions() : AdapterOptions("FULL")
{
    /// <inheritdoc/>
    protected internal override AdapterPlan Plan(ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var layers = WholeParameters.Layers(model, model.Learning.Contains);
        return layers.Count > 0 ? new AdapterPlan(this, layers)
            : throw new TargetNotFoundException($"No parameter of {model.Model.GetType().Name} required a gradient before adapters were added, so there is nothing to train: set requires_grad on what shall learn first.");
    }
}
