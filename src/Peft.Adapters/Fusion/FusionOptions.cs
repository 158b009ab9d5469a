namespace Peft;

/// <summary>
/// AdapterFusion (Pfeiffer et al. 2020, arXiv:2005.00247): at each position, attention over the outputs of bottleneck adapters.
/// The adapters must be added to the model first, and are not trained by the fusion. Fields and defaults match the Adapters library's
/// dynamic fusion. Not mergeable.
/// </summary>
[MethodDescription("AdapterFusion", "attention over the outputs of bottleneck adapters", "Pfeiffer et al. 2020, arXiv:2005.00247")]
[LearningRate(5e-5)]
public sealed record FusionOptions() : AdapterOptions("ADAPTER_FUSION")
{
    /// <summary>Fusion without a value projection and its regularization.</summary>
    public static FusionOptions Static => new() { Value = false, Regularize = false, ValueIsIdentity = false };

    /// <summary>Names of the model's adapters to fuse, in order.</summary>
    [JsonPropertyName("adapters")] public IReadOnlyList<string> Adapters { get; init; } = [];

    /// <summary>True to project the adapters' outputs to keys.</summary>
    [JsonPropertyName("key")] public bool Key { get; init; } = true;

    /// <summary>True to project the hidden state to a query.</summary>
    [JsonPropertyName("query")] public bool Query { get; init; } = true;

    /// <summary>True to project the adapters' outputs to values.</summary>
    [JsonPropertyName("value")] public bool Value { get; init; } = true;

    /// <summary>True to compute the query from the sub-block's output, before the residual connection and the norm.</summary>
    [JsonPropertyName("query_before_ln")] public bool QueryBeforeNorm { get; init; }

    /// <summary>True to add a loss term that pulls the value projection towards the identity.</summary>
    [JsonPropertyName("regularization")] public bool Regularize { get; init; } = true;

    /// <summary>True to add the residual to each adapter's output instead of to their mixture.</summary>
    [JsonPropertyName("residual_before")] public bool ResidualBefore { get; init; }

    /// <summary>True to start training with a softmax temperature of 50, for nearly equal weights, and lower it to 1 over about 1000 forward passes.</summary>
    [JsonPropertyName("temperature")] public bool UseTemperature { get; init; }

    /// <summary>True to project the values before they are mixed; false to project the mixture.</summary>
    [JsonPropertyName("value_before_softmax")] public bool ValueBeforeSoftmax { get; init; } = true;

    /// <summary>True to initialize the value projection to the identity.</summary>
    [JsonPropertyName("value_initialized")] public bool ValueIsIdentity { get; init; } = true;

    /// <summary>Dropout probability of the attention scores during training; null for none.</summary>
    [JsonPropertyName("dropout_prob"), Probability] public double? Dropout { get; init; }

    protected override IEnumerable<string> Errors()
    {
        if (Adapters is not { Count: > 0 })
        {
            yield return "Adapters must name the adapters to fuse, but is empty.";
            yield break;
        }
        if (Adapters.Distinct().Count() < Adapters.Count) yield return $"Adapters must name each adapter once, but was [{string.Join(", ", Adapters)}].";
    }

    protected override AdapterPlan Plan(ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new AdapterPlan(this, FusionPlan.Layers(this, model)) { Parts = [.. Adapters.Select(PeftModel.Of(model.Model)!.Find)] };
    }
}
