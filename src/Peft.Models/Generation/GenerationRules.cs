namespace Peft.Models;

/// <summary>Validates generation settings.</summary>
internal static class GenerationRules
{
    /// <exception cref="ArgumentException">Some settings are invalid. The message lists all of them with their values.</exception>
    public static void Check(GenerationSettings settings, int vocabulary)
    {
        var errors = new List<string>();
        var changes = settings.Changes;
        Require(settings.MaxNewTokens is null or >= 1, $"MaxNewTokens must be at least 1, but is {settings.MaxNewTokens}.");
        Require(settings.MaxLength is null or >= 1, $"MaxLength must be at least 1, but is {settings.MaxLength}.");
        Require(changes.MinNewTokens is not { } least || (least >= 0 && least <= (settings.MaxNewTokens ?? int.MaxValue)),
            $"MinNewTokens must be between 0 and MaxNewTokens ({settings.MaxNewTokens}), but is {changes.MinNewTokens}.");
        Require(changes.MinLength is null or >= 0, $"MinLength must not be negative, but is {changes.MinLength}.");
        Require(!settings.DoSample || settings.Temperature is >= MinFactor and <= MaxFactor, $"Temperature must be above 0 (from {MinFactor} to {MaxFactor}), but is {settings.Temperature}: for the most likely token, set DoSample to false.");
        Require(settings.TopK >= 0, $"TopK must not be negative, but is {settings.TopK}.");
        Require(settings.TopP is > 0 and <= 1, $"TopP must be above 0 and at most 1, but is {settings.TopP}.");
        Require(changes.MinP is null or >= 0 and <= 1, $"MinP must be between 0 and 1, but is {changes.MinP}.");
        Require(changes.TypicalP is null or > 0 and <= 1, $"TypicalP must be above 0 and at most 1, but is {changes.TypicalP}.");
        Require(changes.EpsilonCutoff is null or >= 0 and < 1, $"EpsilonCutoff must be between 0 and 1, but is {changes.EpsilonCutoff}.");
        Require(changes.EtaCutoff is null or >= 0 and < 1, $"EtaCutoff must be between 0 and 1, but is {changes.EtaCutoff}.");
        Require(changes.RepetitionPenalty is null or >= MinFactor and <= MaxFactor, $"RepetitionPenalty must be above 0 (from {MinFactor} to {MaxFactor}), but is {changes.RepetitionPenalty}.");
        Require(changes.EncoderRepetitionPenalty is null or >= MinFactor and <= MaxFactor, $"EncoderRepetitionPenalty must be above 0 (from {MinFactor} to {MaxFactor}), but is {changes.EncoderRepetitionPenalty}.");
        Require(changes.ExponentialDecayLengthPenalty is not var (_, factor) || double.IsFinite(factor), $"The factor of ExponentialDecayLengthPenalty must be finite, but is {changes.ExponentialDecayLengthPenalty?.Factor}.");
        Require(settings.LengthPenalty is >= -MaxLengthPenalty and <= MaxLengthPenalty, $"LengthPenalty must be between -{MaxLengthPenalty} and {MaxLengthPenalty}, but is {settings.LengthPenalty}.");
        Require(Enum.IsDefined(settings.EarlyStopping), $"EarlyStopping is {settings.EarlyStopping}, which is not a defined value.");
        Require(changes.NoRepeatNGramSize is null or >= 0, $"NoRepeatNGramSize must not be negative, but is {changes.NoRepeatNGramSize}.");
        Require(changes.EncoderNoRepeatNGramSize is null or >= 0, $"EncoderNoRepeatNGramSize must not be negative, but is {changes.EncoderNoRepeatNGramSize}.");
        Require(changes.BadWords?.All(run => run is { Count: > 0 }) != false, "BadWords has an empty sequence.");
        Require(changes.SequenceBias?.All(bias => bias?.Tokens is { Count: > 0 }) != false, "SequenceBias has an empty sequence.");
        Require(changes.SequenceBias?.All(bias => bias is null || ((float)bias.Bias is var value && (float.IsFinite(value) || float.IsNegativeInfinity(value)))) != false, "SequenceBias has a bias that is not a float32 value: use a finite one, or −∞ to exclude a sequence.");
        Known("ForcedBosTokenId", changes.ForcedBosTokenId is { } first ? [first] : null);
        Known("ForcedEosTokenIds", changes.ForcedEosTokenIds);
        Known("BadWords", changes.BadWords?.SelectMany(run => run ?? []));
        Known("SequenceBias", changes.SequenceBias?.SelectMany(bias => bias?.Tokens ?? []));
        Known("PadTokenId", [settings.PadTokenId]);
        Require(!settings.StopStrings.Any(string.IsNullOrEmpty), "StopStrings has an empty string, which would match every text.");
        Require(changes.LogitsProcessors?.Contains(null!) == false, "LogitsProcessors is null or has a null entry.");
        Require(settings.NumBeams >= 1, $"NumBeams must be at least 1, but is {settings.NumBeams}.");
        Require(settings.NumReturnSequences >= 1, $"NumReturnSequences must be at least 1, but is {settings.NumReturnSequences}.");
        Require(settings.NumBeams <= 1 || settings.NumReturnSequences <= settings.NumBeams,
            $"NumReturnSequences is {settings.NumReturnSequences}, but a search with {settings.NumBeams} beams has at most as many hypotheses: raise NumBeams.");
        Require(settings.NumBeams > 1 || settings.DoSample || settings.NumReturnSequences == 1,
            $"NumReturnSequences is {settings.NumReturnSequences}, but greedy search produces a single sequence: set NumBeams or DoSample.");
        if (errors.Count > 0) throw new ArgumentException($"The generation options are invalid: {string.Join(" ", errors)}");

        void Require(bool valid, string message)
        {
            if (!valid) errors.Add(message);
        }

        void Known(string name, IEnumerable<int>? ids)
        {
            foreach (var id in ids ?? [])
                Require(id >= 0 && id < vocabulary, $"{name} has the token {id}, but the model has the tokens 0 to {vocabulary - 1}. If that comes from its generation_config.json, set the option yourself or UseModelDefaults to false.");
        }
    }

    /// <summary>Throws for ids in the options that are negative. In files they can mean "none" and are ignored elsewhere.</summary>
    public static void CheckIds(GenerationOptions options)
    {
        (string Name, IEnumerable<int>? Ids)[] fields = [("EndTokenIds", options.EndTokenIds), ("SuppressTokens", options.SuppressTokens), ("BeginSuppressTokens", options.BeginSuppressTokens)];
        foreach (var (name, ids) in fields)
            if (ids?.Where(id => id < 0).Take(1).ToList() is [var wrong])
                throw new ArgumentException($"The generation options are invalid: {name} has {wrong}, which is not a token id. For none, pass an empty list.", nameof(options));
    }

    // Scores are float32: dividing by less, or multiplying by more, overflows to infinity.
    private const double MinFactor = 1e-30;
    private const double MaxFactor = 1e30;

    // Higher powers of a length overflow.
    private const double MaxLengthPenalty = 30;
}
