using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Checks that a token can be chosen. The highest score of each row is enough: it is NaN if any score is NaN, and −∞ if all tokens are excluded.</summary>
internal static class ScoreRules
{
    /// <summary>Throws if a model's logits <c>[rows, vocabulary]</c> have NaN or +∞.</summary>
    /// <exception cref="GenerationException">Some logits are NaN or +∞.</exception>
    public static void RequireLogits(Tensor logits, int step)
    {
        if (AreChoosable(logits)) return;
        throw new GenerationException($"The model's logits are not finite at step {step}{Where(logits)}: the weights of the model or of an adapter contain NaN or infinite values, or values overflow {logits.dtype}. "
            + "Check the weights, or load the model in float32. GenerationOptions.RemoveInvalidValues makes such logits finite, but the output is then meaningless.");
    }

    /// <summary>Throws if processors have made scores <c>[rows, vocabulary]</c> invalid or excluded all tokens.</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="step">Number of tokens generated so far.</param>
    /// <param name="settings">The settings.</param>
    /// <param name="mayBeEmpty">True if a row may have no token left, as one of several beams may.</param>
    /// <exception cref="GenerationException">Scores are not finite, or no token is left.</exception>
    public static void RequireChoice(Tensor scores, int step, GenerationSettings settings, bool mayBeEmpty = false)
    {
        if (AreChoosable(scores)) return;
        using var highest = scores.amax([-1]);
        if (highest.isnan().logical_or(highest.eq(Constant(double.PositiveInfinity))).any().item<bool>())
            throw new GenerationException($"The scores are not finite at step {step}{Where(scores)} after applying the options: {Changes(settings)}. These values overflow float32: change them.");
        if (!mayBeEmpty) throw Empty(step);
    }

    /// <summary>The exception if every token is excluded.</summary>
    public static GenerationException Empty(int step)
        => new($"No token is left to choose at step {step}: the options (suppressed and forced tokens, bad words, n-grams that must not repeat, logits processors) exclude all of them. Remove one of these options.");

    private static bool AreChoosable(Tensor scores)
    {
        if (HighestScore.Supports(scores)) return HighestScore.IsFinite(scores);
        using var highest = scores.amax([-1]);
        using var finite = highest.isfinite();
        using var all = finite.all();
        return all.item<bool>();
    }

    private static string Where(Tensor scores)
    {
        if (scores.size(0) == 1) return "";
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
