namespace Peft.Models;

/// <summary>What settings must fulfil.</summary>
internal static class GenerationRules
{
    /// <exception cref="ArgumentException">Some are wrong; all of those are named, with their values.</exception>
    public static void Check(GenerationSettings settings)
    {
        var errors = new List<string>();
        var changes = settings.Changes;
        Require(settings.MaxNewTokens is null or >= 1, $"MaxNewTokens must be at least 1, but is {settings.MaxNewTokens}.");
        Require(settings.MaxLength is null or >= 1, $"MaxLength must be at least 1, but is {settings.MaxLength}.");
        Require(changes.MinNewTokens is null or >= 0 && (settings.MaxNewTokens is null || (changes.MinNewTokens ?? 0) <= settings.MaxNewTokens),
            $"MinNewTokens must lie between 0 and MaxNewTokens ({settings.MaxNewTokens}), but is {changes.MinNewTokens}.");
        Require(changes.MinLength is null or >= 0, $"MinLength must not be negative, but is {changes.MinLength}.");
        Require(!settings.DoSample || settings.Temperature > 0, $"Temperature must be above 0, but is {settings.Temperature}: for the likeliest token set DoSample to false.");
        Require(settings.TopK >= 0, $"TopK must not be negative, but is {settings.TopK}.");
        Require(settings.TopP is > 0 and <= 1, $"TopP must lie above 0 and up to 1, but is {settings.TopP}.");
        Require(changes.MinP is null or >= 0 and <= 1, $"MinP must lie between 0 and 1, but is {changes.MinP}.");
        Require(changes.TypicalP is null or > 0 and <= 1, $"TypicalP must lie above 0 and up to 1, but is {changes.TypicalP}.");
        Require(changes.EpsilonCutoff is null or >= 0 and < 1, $"EpsilonCutoff must lie between 0 and 1, but is {changes.EpsilonCutoff}.");
        Require(changes.EtaCutoff is null or >= 0 and < 1, $"EtaCutoff must lie between 0 and 1, but is {changes.EtaCutoff}.");
        Require(changes.RepetitionPenalty is null or > 0, $"RepetitionPenalty must be above 0, but is {changes.RepetitionPenalty}.");
        Require(changes.EncoderRepetitionPenalty is null or > 0, $"EncoderRepetitionPenalty must be above 0, but is {changes.EncoderRepetitionPenalty}.");
        Require(changes.NoRepeatNGramSize is null or >= 0, $"NoRepeatNGramSize must not be negative, but is {changes.NoRepeatNGramSize}.");
        Require(changes.EncoderNoRepeatNGramSize is null or >= 0, $"EncoderNoRepeatNGramSize must not be negative, but is {changes.EncoderNoRepeatNGramSize}.");
        Require(changes.BadWords?.All(run => run.Count > 0) != false, "BadWords has a run without tokens.");
        Require(changes.SequenceBias?.All(bias => bias.Tokens.Count > 0) != false, "SequenceBias has a run without tokens.");
        Require(settings.NumBeams >= 1, $"NumBeams must be at least 1, but is {settings.NumBeams}.");
        Require(settings.NumReturnSequences >= 1, $"NumReturnSequences must be at least 1, but is {settings.NumReturnSequences}.");
        Require(settings.NumBeams <= 1 || settings.NumReturnSequences <= settings.NumBeams,
            $"NumReturnSequences is {settings.NumReturnSequences}, but a search with {settings.NumBeams} beams has no more hypotheses than beams: raise NumBeams.");
        Require(settings.NumBeams > 1 || settings.DoSample || settings.NumReturnSequences == 1,
            $"NumReturnSequences is {settings.NumReturnSequences}, but the likeliest tokens give one sequence: set NumBeams or DoSample.");
        if (errors.Count > 0) throw new ArgumentException($"The generation options are wrong: {string.Join(" ", errors)}");

        void Require(bool right, string message)
        {
            if (!right) errors.Add(message);
        }
    }
}
