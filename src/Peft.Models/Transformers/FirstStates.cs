using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The hidden states of a preliminary forward pass, for adapters that depend on them (X-LoRA).</summary>
internal static class FirstStates
{
    /// <summary>The last hidden states of an input, <c>[batch, sequence, hidden]</c>. With a cache, the preliminary pass uses the separate cache that it contains.</summary>
    public static Tensor Of(PretrainedModel model, ModelInput input)
    {
        using var first = ForwardPass.EnterPreliminary();
        using var _ = no_grad();
        if (input.Cache is not { } cache) return model.Backbone.call(input);
        var firstPass = cache.PreliminaryPass;
        var past = cache.Tokens?.size(1) ?? 0;
        if (firstPass.Length == past && (past > 0 || cache.Length == 0)) return model.Backbone.call(input with { Cache = firstPass });
        // The cache was filled before the adapter was active.
        firstPass.Truncate(0);
        using var ids = Joined(cache, input);
        var states = model.Backbone.call(input with { InputIds = ids, Cache = firstPass });
        return states.narrow(1, past, states.size(1) - past);
    }

    private static Tensor Joined(KeyValueCache cache, ModelInput input)
        => cache.Tokens is { } before && input.InputIds is { } ids ? cat([before, ids], 1)
            : throw new PeftException("The active adapter needs the model's hidden states for the whole sequence, but the cache does not contain them, and part of the sequence was passed as embeddings: pass token ids, or an empty cache.");
}
