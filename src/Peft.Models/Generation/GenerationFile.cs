using System.Text.Json.Nodes;

namespace Peft.Models;

/// <summary>
/// Reads <c>generation_config.json</c>. Throws for fields that would change the output but are not implemented. Ignores all others:
/// ids that are read elsewhere (<c>bos_token_id</c>, <c>decoder_start_token_id</c>), cache settings (<c>use_cache</c>,
/// <c>cache_implementation</c>, <c>cache_config</c>, <c>max_cache_len</c>, <c>low_memory</c>), outputs other than tokens
/// (<c>output_scores</c>, <c>return_dict_in_generate</c>), settings of an assistant model, <c>transformers_version</c> and unknown names.
/// </summary>
internal static class GenerationFile
{
    public static GenerationOptions Read(ModelConfig? file)
    {
        if (file is null) return new();
        Refuse(file);
        return new()
        {
            MaxNewTokens = Whole(file, "max_new_tokens"),
            MaxLength = Whole(file, "max_length"),
            MinNewTokens = Whole(file, "min_new_tokens"),
            MinLength = Whole(file, "min_length"),
            DoSample = Flag(file, "do_sample"),
            Temperature = Number(file, "temperature"),
            TopK = Whole(file, "top_k"),
            TopP = Number(file, "top_p"),
            MinP = Number(file, "min_p"),
            TypicalP = Number(file, "typical_p"),
            EpsilonCutoff = Number(file, "epsilon_cutoff"),
            EtaCutoff = Number(file, "eta_cutoff"),
            RepetitionPenalty = Number(file, "repetition_penalty"),
            EncoderRepetitionPenalty = Number(file, "encoder_repetition_penalty"),
            NoRepeatNGramSize = Whole(file, "no_repeat_ngram_size"),
            EncoderNoRepeatNGramSize = Whole(file, "encoder_no_repeat_ngram_size"),
            BadWords = List(file, "bad_words_ids", Run),
            SequenceBias = List(file, "sequence_bias", pair => new TokenBias(Run(pair![0]), pair[1]!.GetValue<double>())),
            SuppressTokens = Ids(file, "suppress_tokens"),
            BeginSuppressTokens = Ids(file, "begin_suppress_tokens"),
            ForcedBosTokenId = Whole(file, "forced_bos_token_id"),
            ForcedEosTokenIds = Ids(file, "forced_eos_token_id"),
            ExponentialDecayLengthPenalty = List(file, "exponential_decay_length_penalty", each => each!.GetValue<double>()) switch
            {
                null => null,
                [>= 0 and <= int.MaxValue and var start, var factor] when start == Math.Floor(start) => new LengthDecay((int)start, factor),
                _ => throw Wrong(file, "exponential_decay_length_penalty", "a list of a start and a factor"),
            },
            RemoveInvalidValues = Flag(file, "remove_invalid_values"),
            RenormalizeLogits = Flag(file, "renormalize_logits"),
            NumBeams = Whole(file, "num_beams"),
            LengthPenalty = Number(file, "length_penalty"),
            EarlyStopping = Stopping(file),
            NumReturnSequences = Whole(file, "num_return_sequences"),
            StopStrings = file["stop_strings"] is JsonValue ? [file.Text("stop_strings", null)!] : file.Texts("stop_strings"),
        };
    }

    private static void Refuse(ModelConfig file)
    {
        const string Remedy = "Remove the field from the file, or set GenerationOptions.UseModelDefaults to false and set the options you need from the file yourself.";
        Check("num_beam_groups", 1, "diverse beam search");
        Check("diversity_penalty", 0, "diverse beam search");
        Check("penalty_alpha", 0, "contrastive search");
        Check("guidance_scale", 1, "classifier-free guidance");
        Check("top_h", null, "top-h sampling");
        Check("dola_layers", null, "decoding by contrasting layers");
        Check("constraints", null, "constrained beam search");
        Check("force_words_ids", null, "constrained beam search");
        Check("prompt_lookup_num_tokens", null, "prompt lookup decoding");
        Check("watermarking_config", null, "a watermark");
        Check("token_healing", false, "token healing");
        Check("max_time", null, "a time limit (use a CancellationToken instead)");
        Check("custom_generate", null, "custom code of the model");

        void Check(string name, JsonNode? harmless, string meaning)
        {
            if (!file.Has(name) || JsonNode.DeepEquals(file[name], harmless) || (harmless is JsonValue && file[name] is JsonValue value && Same(value, harmless))) return;
            throw new UnsupportedModelException($"{file.Source}: {name} = {file[name]!.ToJsonString()} requires {meaning}, which is not implemented. {Remedy}");
        }

        static bool Same(JsonValue value, JsonNode harmless)
            => value.TryGetValue<double>(out var number) && harmless.AsValue().TryGetValue<int>(out var expected) && number == expected;
    }

    private static EarlyStopping? Stopping(ModelConfig file)
    {
        if (!file.Has("early_stopping")) return null;
        if (file["early_stopping"] is JsonValue value)
        {
            if (value.TryGetValue<bool>(out var full)) return full ? EarlyStopping.WhenFull : EarlyStopping.Heuristic;
            if (value.TryGetValue<string>(out var text) && text == "never") return EarlyStopping.Never;
        }
        throw Wrong(file, "early_stopping", "true, false or \"never\"");
    }

    private static int? Whole(ModelConfig file, string name) => file.Whole(name);

    private static double? Number(ModelConfig file, string name) => file.Has(name) ? file.Number(name, 0) : null;

    private static bool? Flag(ModelConfig file, string name) => file.Has(name) ? file.Flag(name, false) : null;

    private static IReadOnlyList<int>? Ids(ModelConfig file, string name) => file.Has(name) ? file.Ids(name) : null;

    private static int[] Run(JsonNode? run) => [.. run!.AsArray().Select(id => id!.GetValue<int>())];

    private static List<T>? List<T>(ModelConfig file, string name, Func<JsonNode?, T> read)
    {
        if (!file.Has(name)) return null;
        try
        {
            return [.. file[name]!.AsArray().Select(read)];
        }
        catch (Exception error) when (error is InvalidOperationException or FormatException or OverflowException or NullReferenceException or ArgumentException)
        {
            throw Wrong(file, name, "a list in the format that transformers writes");
        }
    }

    private static ModelFolderException Wrong(ModelConfig file, string name, string kind) => new($"{file.Source}: {name} must be {kind}, but is {file[name]!.ToJsonString()}.");
}
