using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>All logits processors of the settings, in the order of transformers.</summary>
internal sealed class LogitsPipeline
{
    private readonly List<ILogitsProcessor> processors = [];

    /// <param name="settings">The settings.</param>
    /// <param name="limit">Maximum number of new tokens.</param>
    /// <param name="single">True if rows begin with a single token.</param>
    public LogitsPipeline(GenerationSettings settings, int limit, bool single)
    {
        var (changes, ends) = (settings.Changes, settings.EndTokenIds);
        if (changes.SequenceBias is { Count: > 0 } biases) processors.Add(new RunBias(biases));
        // Favoring the tokens of the prompt is a penalty below 1.
        if (changes.EncoderRepetitionPenalty is { } kept and not 1) processors.Add(new RepetitionPenalty(1 / kept, context => context.Prompts));
        if (changes.RepetitionPenalty is { } penalty and not 1) processors.Add(new RepetitionPenalty(penalty, context => context.Tokens));
        if (changes.NoRepeatNGramSize is > 0 and var size) processors.Add(new NoRepeatNGrams(size, context => context.Tokens));
        if (changes.EncoderNoRepeatNGramSize is > 0 and var read) processors.Add(new NoRepeatNGrams(read, context => context.Prompts));
        if (changes.BadWords is { Count: > 0 } bad)
        {
            // A sequence could not end if its end token were a bad word. Such bad words are ignored, as in transformers.
            var runs = bad.Where(run => run.Count > 1 || !ends.Contains(run[0]));
            processors.Add(new RunBias([.. runs.Select(run => new TokenBias(run, double.NegativeInfinity))]));
        }
        if (changes.MinLength is > 0 and var length) Exclude(ends, (context, row) => context.Tokens[row].Count < length);
        if (changes.MinNewTokens is > 0 and var minimum) Exclude(ends, (context, _) => context.Added < minimum);
        if (changes.ForcedBosTokenId is { } first) processors.Add(new FixedTokens([first], true, (context, row) => context.Tokens[row].Count == 1));
        if (changes.ForcedEosTokenIds is { Count: > 0 } last) processors.Add(new FixedTokens(last, true, (context, _) => context.Added == limit - 1));
        if (changes.RemoveInvalidValues == true) processors.Add(Rescaling.Finite());
        if (changes.ExponentialDecayLengthPenalty is var (start, factor) && ends.Count > 0) processors.Add(new DecayingLength(ends, start, factor));
        if (changes.SuppressTokens is { } never) Exclude(never, (_, _) => true);
        var begin = single && changes.ForcedBosTokenId is not null ? 1 : 0;
        if (changes.BeginSuppressTokens is { } notFirst) Exclude(notFirst, (context, _) => context.Added == begin);
        processors.AddRange(changes.LogitsProcessors.Select(processor => new CheckedProcessor(processor)));
        if (settings.DoSample) AddSamplingFilters(settings);
        if (changes.RenormalizeLogits == true) processors.Add(Rescaling.Normalized());
    }

    /// <summary>True if no processor is active. The tokens so far are then not needed.</summary>
    public bool IsEmpty => processors.Count == 0;

    /// <summary>Runs all processors on scores <c>[rows, vocabulary]</c>, float32.</summary>
    public Tensor Process(LogitsContext context, Tensor scores)
    {
        foreach (var processor in processors) scores = processor.Process(context, scores);
        return scores;
    }

    private void AddSamplingFilters(GenerationSettings settings)
    {
        // Beam search needs one more token than there are end tokens, so that a beam can always continue.
        var keep = settings.NumBeams > 1 ? settings.EndTokenIds.Count + 1 : 1;
        var changes = settings.Changes;
        if (settings.Temperature != 1) processors.Add(Rescaling.Temperature(settings.Temperature));
        if (settings.TopK > 0) processors.Add(ThresholdFilter.TopK(settings.TopK, keep));
        if (settings.TopP < 1) processors.Add(NucleusFilter.TopP(settings.TopP, keep));
        if (changes.MinP is > 0 and var fraction) processors.Add(ThresholdFilter.MinP(fraction, keep));
        if (changes.TypicalP is < 1 and var mass) processors.Add(NucleusFilter.Typical(mass, keep));
        if (changes.EpsilonCutoff is > 0 and var epsilon) processors.Add(ThresholdFilter.Epsilon(epsilon, keep));
        if (changes.EtaCutoff is > 0 and var eta) processors.Add(ThresholdFilter.Eta(eta, keep));
    }

    private void Exclude(IReadOnlyList<int> ids, Func<LogitsContext, int, bool> applies)
    {
        if (ids.Count > 0) processors.Add(new FixedTokens(ids, false, applies));
    }
}
