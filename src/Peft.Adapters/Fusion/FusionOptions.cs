using System.Text.Json.Serialization;
using Peft.Adapters;

namespace Peft;

/// <summary>
/// AdapterFusion (Pfeiffer et al. 2020, arXiv:2005.00247): at each position, attention over what bottleneck adapters make of the hidden
/// state. The adapters are added to the model first, and are not trained. Fields and defaults are those of the Adapters library's
/// dynamic fusion. Not mergeable.
/// </summary>
[MethodDescription("AdapterFusion", "attention over the outputs of bottleneck adapters", "Pfeiffer et al. 2020, arXiv:2005.00247")]
[LearningRate(5e-5)]
public sealed record FusionOptions() : AdapterOptions("ADAPTER_FUSION")
{
    /// <summary>Fusion without a value projection and its regularisation.</summary>
    public static FusionOptions Static => new() { Value = false, Regularize = false, ValueIsIdentity = false };

    /// <summary>Names of the adapters of the model that are fused, in order.</summary>
    [JsonPropertyName("adapters")] public IReadOnlyList<string> Adapters { get; init; } = [];

    /// <summary>Whether the adapters' outputs are projected to keys.</summary>
    [JsonPropertyName("key")] public bool Key { get; init; } = true;

    /// <summary>Whether the hidden state is projected to a query.</summary>
    [JsonPropertyName("query")] public bool Query { get; init; } = true;

    /// <summary>Whether the adapters' outputs are projected to values.</summary>
    [JsonPropertyName("value")] public bool Value { get; init; } = true;

    /// <summary>Whether the query is the sub-block's output, before the residual stream and the norm.</summary>
    [JsonPropertyName("query_before_ln")] public bool QueryBeforeNorm { get; init; }

    /// <summary>Whether training pulls the value projection towards the identity.</summary>
    [JsonPropertyName("regularization")] public bool Regularize { get; init; } = true;

    /// <summary>Whether the residual is added to each adapter's output and not to their mixture.</summary>
    [JsonPropertyName("residual_before")] public bool ResidualBefore { get; init; }

    /// <summary>Whether training starts with nearly equal weights and sharpens them over 1000 passes.</summary>
    [JsonPropertyName("temperature")] public bool UseTemperature { get; init; }

    /// <summary>Whether values are projected before they are mixed.</summary>
    [JsonPropertyName("value_before_softmax")] public bool ValueBeforeSoftmax { get; init; } = true;

    /// <summary>Whether the value projection starts as the identity.</summary>
    [JsonPropertyName("value_initialized")] public bool ValueIsIdentity { get; init; } = true;

    /// <summary>Share of the attention scores that training leaves out; none if null.</summary>
    [JsonPropertyName("dropout_prob")] public double? Dropout { get; init; }

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        if (Adapters is not { Count: > 0 })
        {
            yield return "Adapters must name the adapters to fuse, but is empty.";
            yield break;
        }
        if (Adapters.Distinct().Count() < Adapters.Count) yield return $"Adapters must name each adapter once, but was [{string.Join(", ", Adapters)}].";
        if (Dropout is < 0 or >= 1) yield return $"Dropout must be at least 0 and below 1, but was {Dropout}.";
    }

    /// <inheritdoc/>
    protected override AdapterPlan Plan(ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new AdapterPlan(this, FusionPlan.Layers(this, model)) { Parts = [.. Adapters.Select(PeftModel.Of(model.Model)!.Find)] };
    }
}
