using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Scores by which a token can be chosen. The highest of each row tells: it is NaN where one is NaN, and −∞ where all are excluded.</summary>
internal static class ScoreRules
{
    /// <summary>Refuses a model's logits <c>[rows, vocabulary]</c> that are NaN or +∞.</summary>
    /// <exception cref="GenerationException">Some are.</exception>
    public static void RequireLogits(Tensor logits, int step)
    {
        if (AreChoosable(logits)) return;
        throw new GenerationException($"The model's logits are not finite at step {step}{Where(logits)}: its weights, or those of an adapter, hold NaN or infinite numbers, or numbers too large for {logits.dtype}. "
            + "Look at the weights, or load the model in float32. GenerationOptions.RemoveInvalidValues makes such logits finite, but what is written then means nothing.");
    }

    /// <summary>Refuses scores <c>[rows, vocabulary]</c> that the options have changed so that none is left or one is no number.</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="step">Tokens added before.</param>
    /// <param name="settings">The settings.</param>
    /// <param name="mayBeEmpty">Whether a row may have no token left, as a beam among others.</param>
    /// <exception cref="GenerationException">So it is.</exception>
    public static void RequireChoice(Tensor scores, int step, GenerationSettings settings, bool mayBeEmpty = false)
    {
        if (AreChoosable(scores)) return;
        using var highest = scores.amax([-1]);
        if (highest.isnan().logical_or(highest.eq(Kept(double.PositiveInfinity))).any().item<bool>())
            throw new GenerationException($"The scores are not finite at step {step}{Where(scores)} after what the options ask for: {Changes(settings)}. Numbers so small or so large go beyond float32: choose others.");
        if (!mayBeEmpty) throw Empty(step);
    }

    /// <summary>Says that every token is excluded.</summary>
    public static GenerationException Empty(int step)
        => new($"No token is left to choose at step {step}: the options (suppressed and forced tokens, bad words, n-grams that must not repeat, logits processors) exclude all of them. Take one off.");

    private static bool AreChoosable(Tensor scores)
    {
        using var highest = scores.amax([-1]);
        using var finite = highest.isfinite();
        using var all = finite.all();
        return all.item<bool>();
    }

    private static string Where(Tensor scores)
    {
        if (scores.shape[0] == 1) return "";
        using var scope = NewDisposeScope();
        var highest = scores.amax([-1]);
        var wrong = highest.isfinite().logical_not();
        return wrong.any().item<bool>() ? $", row {wrong.to_type(ScalarType.Int64).argmax().item<long>()}" : "";
    }

    private static string Changes(GenerationSettings settings)
    {
        var changes = settings.Changes;
        string?[] named =
        [
            settings.DoSample && settings.Temperature != 1 ? $"Temperature {settings.Temperature}" : null,
            changes.RepetitionPenalty is { } penalty and not 1 ? $"RepetitionPenalty {penalty}" : null,
            changes.EncoderRepetitionPenalty is { } read and not 1 ? $"EncoderRepetitionPenalty {read}" : null,
            changes.ExponentialDecayLengthPenalty is { } decay ? $"ExponentialDecayLengthPenalty {decay}" : null,
            changes.SequenceBias is { Count: > 0 } ? "SequenceBias" : null,
            changes.LogitsProcessors.Count > 0 ? "LogitsProcessors" : null,
        ];
        return string.Join(", ", named.OfType<string>());
    }
}
