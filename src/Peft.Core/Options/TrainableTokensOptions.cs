using System.Text.Json.Serialization;

[assembly: Peft.AdapterMethod("TRAINABLE_TOKENS", typeof(Peft.TrainableTokensOptions))]

namespace Peft;

/// <summary>Trains only selected rows of an embedding, for example those of new tokens (Hugging Face PEFT's trainable tokens). Can be merged.</summary>
[MethodDescription("Trainable tokens", "chosen rows of the embedding", "Hugging Face PEFT 0.15")]
public sealed record TrainableTokensOptions() : AdapterOptions("TRAINABLE_TOKENS")
{
    /// <summary>Names of the embeddings; the model's token embedding if null.</summary>
    [JsonPropertyName("target_modules")] public ModuleSelector? TargetModules { get; init; }

    /// <summary>Ids of the tokens to train.</summary>
    [JsonPropertyName("token_indices")] public IReadOnlyList<int> TokenIndices { get; init; } = [];

    /// <summary>True to initialize the rows from the embedding; false to initialize them randomly.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors()
    {
        if (TokenIndices.Count == 0) yield return "TokenIndices must contain at least one token, but is empty.";
        if (TokenIndices.Distinct().Count() != TokenIndices.Count) yield return $"TokenIndices must not contain a token twice, but was [{string.Join(", ", TokenIndices)}].";
    }

    /// <inheritdoc/>
    protected internal override AdapterPlan Plan(ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(model);
        IReadOnlyList<Target> targets = TargetModules is null && model.InputEmbeddings is { } embedding
            ? [embedding]
            : [.. model.Targets.Where(target => (TargetModules ?? ["embed_tokens"]).Matches(target.Path))];
        if (targets.Count == 0) throw model.NotFound(nameof(TargetModules), [TargetModules?.ToString() ?? "embed_tokens"]);
        const string name = "trainable_tokens_delta";
        var layers = new List<AdapterLayer>();
        SharedTensors? copies = null;
        foreach (var target in targets)
        {
            var owner = new TokensLayer(target, TokenIndices, name, fresh: !InitWeights);
            layers.Add(owner);
            if (target == model.InputEmbeddings && model.Model is IPretrainedModel { EmbeddingCopies: { Count: > 0 } paths })
                copies = new TokenCopies(owner, [.. paths.Select(path => $"model.{path}.{name}")]);
            layers.AddRange(model.TiedWith(target).Except(targets).Select(tied => new TokensLayer(tied, owner, name, saved: true)));
        }
        return new AdapterPlan(this with { TargetModules = TargetModules ?? targets.Select(target => target.Path[(target.Path.LastIndexOf('.') + 1)..]).ToArray() }, layers, copies);
    }
}
