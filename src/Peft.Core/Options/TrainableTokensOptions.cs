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
        var copies = new List<(TokensLayer Owner, string Key)>();
        // As in Hugging Face PEFT, a head that is tied to an adapted embedding uses its rows, even if it is also named. A head alone has its own.
        var tiedHeads = targets.Where(target => target.IsLookup).SelectMany(model.TiedWith).ToHashSet();
        foreach (var target in targets.Where(target => !tiedHeads.Contains(target)))
        {
            var owner = new TokensLayer(target, TokenIndices, name, fresh: !InitWeights);
            layers.Add(owner);
            if (target == model.InputEmbeddings && model.Model is IPretrainedModel { EmbeddingCopies: { Count: > 0 } paths })
                copies.AddRange(paths.Select(path => (owner, $"model.{path}.{name}")));
            if (!target.IsLookup) continue;
            layers.AddRange(model.TiedWith(target).Select(tied => new TokensLayer(tied, owner, name, saved: true)));
            // Hugging Face PEFT wraps a named head twice.
            copies.AddRange(model.TiedWith(target).Intersect(targets).Select(tied => (owner, $"model.{tied.Path}.base_layer.{name}")));
        }
        return new AdapterPlan(this with { TargetModules = TargetModules ?? targets.Select(target => target.Path[(target.Path.LastIndexOf('.') + 1)..]).ToArray() }, layers, copies.Count > 0 ? new TokenCopies(copies) : null);
    }
}
