using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Chooses the next token of each row from its logits, with transformers' processors in transformers' order.</summary>
internal sealed class TokenPicker : IDisposable
{
    private readonly GenerationSettings settings;
    private readonly Generator? generator;
    private readonly Tensor? ends;

    public TokenPicker(GenerationSettings settings, Device device)
    {
        this.settings = settings;
        if (settings.DoSample)
            generator = new Generator((ulong)(settings.Seed ?? Random.Shared.NextInt64()), device);
        if (settings.MinNewTokens > 0 && settings.EndTokenIds.Count > 0)
            ends = tensor(settings.EndTokenIds.Select(id => (long)id).ToArray(), device: device).DetachFromDisposeScope();
    }

    /// <summary>Whether the tokens so far are looked at.</summary>
    public bool NeedsHistory => settings.RepetitionPenalty != 1;

    /// <param name="logits">Logits of the last position <c>[batch, vocabulary]</c>.</param>
    /// <param name="history">Tokens so far <c>[batch, length]</c>; null unless <see cref="NeedsHistory"/>.</param>
    /// <param name="step">New tokens so far.</param>
    /// <returns>Ids <c>[batch, 1]</c>.</returns>
    public Tensor Pick(Tensor logits, Tensor? history, int step)
    {
        if (!settings.DoSample && history is null && (ends is null || step >= settings.MinNewTokens)) return logits.argmax(-1, true);

        using var scope = NewDisposeScope();
        var scores = logits.to_type(ScalarType.Float32);
        if (history is not null) scores = Penalize(scores, history);
        if (ends is not null && step < settings.MinNewTokens) scores = scores.index_fill(-1, ends, float.NegativeInfinity);
        if (!settings.DoSample) return scores.argmax(-1, true).MoveToOuterDisposeScope();
        if (settings.Temperature != 1) scores = scores.div(settings.Temperature);
        if (settings.TopK > 0) scores = KeepLikeliest(scores, settings.TopK);
        if (settings.TopP < 1) scores = KeepNucleus(scores, settings.TopP);
        return nn.functional.softmax(scores, -1).multinomial(1, false, generator).MoveToOuterDisposeScope();
    }

    private Tensor Penalize(Tensor scores, Tensor history)
    {
        var seen = scores.gather(1, history);
        var changed = where(seen.lt(0), seen.mul(settings.RepetitionPenalty), seen.div(settings.RepetitionPenalty));
        return scores.scatter(1, history, changed);
    }

    private static Tensor KeepLikeliest(Tensor scores, int count)
    {
        var (values, _) = scores.topk((int)Math.Min(count, scores.shape[^1]), -1);
        return scores.masked_fill(scores.lt(values.narrow(-1, -1, 1)), float.NegativeInfinity);
    }

    private static Tensor KeepNucleus(Tensor scores, double mass)
    {
        var (sorted, order) = scores.sort(-1, false);
        // In rising order, what sums to 1 − p or less goes; the likeliest always stays.
        var drop = nn.functional.softmax(sorted, -1).cumsum(-1).le(1 - mass);
        drop.narrow(-1, -1, 1).fill_(false);
        return scores.masked_fill(drop.scatter(1, order, drop), float.NegativeInfinity);
    }

    public void Dispose()
    {
        generator?.Dispose();
        ends?.Dispose();
    }
}
