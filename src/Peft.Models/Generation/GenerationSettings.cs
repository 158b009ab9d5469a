namespace Peft.Models;

/// <summary>Validated options with all defaults filled in.</summary>
internal sealed record GenerationSettings
{
    /// <summary>Options that change the scores, from the caller or the model's file; null for those without effect.</summary>
    public required GenerationOptions Changes { get; init; }

    public required int? MaxNewTokens { get; init; }
    public required int? MaxLength { get; init; }
    public required bool DoSample { get; init; }
    public required double Temperature { get; init; }
    public required int TopK { get; init; }
    public required double TopP { get; init; }
    public required int NumBeams { get; init; }
    public required int NumReturnSequences { get; init; }
    public required double LengthPenalty { get; init; }
    public required EarlyStopping EarlyStopping { get; init; }
    public required IReadOnlyList<int> EndTokenIds { get; init; }
    public required int PadTokenId { get; init; }
    public required IReadOnlyList<string> StopStrings { get; init; }
    public required long? Seed { get; init; }

    /// <summary>Fills in the options that are null.</summary>
    /// <param name="options">The options.</param>
    /// <param name="defaults">The model's <c>generation_config.json</c>; null if there is none.</param>
    /// <param name="model">The model's configuration.</param>
    /// <param name="vocabulary">Size of the model's vocabulary.</param>
    /// <exception cref="ArgumentException">Options are invalid.</exception>
    public static GenerationSettings Resolve(GenerationOptions? options, ModelConfig? defaults, ModelConfig model, int vocabulary = int.MaxValue)
    {
        options ??= new();
        GenerationRules.CheckIds(options);
        var file = options.UseModelDefaults ? GenerationFile.Read(defaults) : new();
        // As in transformers, end tokens and suppressed tokens outside the vocabulary are ignored, because they can never be generated.
        IReadOnlyList<int>? Known(IReadOnlyList<int>? ids) => ids is null ? null : [.. ids.Where(id => id >= 0 && id < vocabulary)];
        int? Fill(int? id) => id >= 0 && id < vocabulary ? id : null;
        var ends = Known(options.EndTokenIds ?? (defaults?.Has("eos_token_id") == true ? defaults.Ids("eos_token_id") : model.Ids("eos_token_id")))!;
        // The caller's length, in either form, takes precedence over the file's.
        var newTokens = options.MaxNewTokens ?? (options.MaxLength is null ? file.MaxNewTokens : null);
        var length = newTokens is null ? options.MaxLength ?? file.MaxLength : null;
        var settings = new GenerationSettings
        {
            Changes = options with
            {
                MinNewTokens = options.MinNewTokens ?? file.MinNewTokens,
                MinLength = options.MinLength ?? file.MinLength,
                MinP = options.MinP ?? file.MinP,
                TypicalP = options.TypicalP ?? file.TypicalP,
                EpsilonCutoff = options.EpsilonCutoff ?? file.EpsilonCutoff,
                EtaCutoff = options.EtaCutoff ?? file.EtaCutoff,
                RepetitionPenalty = options.RepetitionPenalty ?? file.RepetitionPenalty,
                EncoderRepetitionPenalty = options.EncoderRepetitionPenalty ?? file.EncoderRepetitionPenalty,
                NoRepeatNGramSize = options.NoRepeatNGramSize ?? file.NoRepeatNGramSize,
                EncoderNoRepeatNGramSize = options.EncoderNoRepeatNGramSize ?? file.EncoderNoRepeatNGramSize,
                BadWords = options.BadWords ?? file.BadWords,
                SequenceBias = options.SequenceBias ?? file.SequenceBias,
                SuppressTokens = Known(options.SuppressTokens ?? file.SuppressTokens),
                BeginSuppressTokens = Known(options.BeginSuppressTokens ?? file.BeginSuppressTokens),
                ForcedBosTokenId = options.ForcedBosTokenId ?? file.ForcedBosTokenId,
                ForcedEosTokenIds = options.ForcedEosTokenIds ?? file.ForcedEosTokenIds,
                ExponentialDecayLengthPenalty = options.ExponentialDecayLengthPenalty ?? file.ExponentialDecayLengthPenalty,
                RemoveInvalidValues = options.RemoveInvalidValues ?? file.RemoveInvalidValues,
                RenormalizeLogits = options.RenormalizeLogits ?? file.RenormalizeLogits,
            },
            MaxNewTokens = newTokens ?? (length is null ? 256 : null),
            MaxLength = length,
            DoSample = options.DoSample ?? file.DoSample ?? false,
            Temperature = options.Temperature ?? file.Temperature ?? 1,
            TopK = options.TopK ?? file.TopK ?? 50,
            TopP = options.TopP ?? file.TopP ?? 1,
            NumBeams = options.NumBeams ?? file.NumBeams ?? 1,
            NumReturnSequences = options.NumReturnSequences ?? file.NumReturnSequences ?? 1,
            LengthPenalty = options.LengthPenalty ?? file.LengthPenalty ?? 1,
            EarlyStopping = options.EarlyStopping ?? file.EarlyStopping ?? EarlyStopping.Heuristic,
            EndTokenIds = ends,
            PadTokenId = options.PadTokenId ?? Fill(defaults?.PadTokenId) ?? Fill(model.PadTokenId) ?? (ends.Count > 0 ? ends[0] : 0),
            StopStrings = options.StopStrings ?? file.StopStrings ?? [],
            Seed = options.Seed,
        };
        GenerationRules.Check(settings, vocabulary);
        return settings;
    }

    /// <summary>Maximum number of new tokens for prompts of this length.</summary>
    /// <exception cref="ArgumentException">The prompt is too long for any new token.</exception>
    public int Limit(int width)
    {
        var limit = MaxNewTokens ?? MaxLength!.Value - width;
        if (limit < 1) throw new ArgumentException($"The prompt has {width} tokens, but MaxLength is {MaxLength}, so no token can be added: set MaxNewTokens, or truncate the prompt.");
        return limit;
    }
}
