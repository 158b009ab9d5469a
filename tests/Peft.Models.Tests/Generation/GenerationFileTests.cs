using System.Text.Json.Nodes;

namespace Peft.Models.Tests;

public sealed class GenerationFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static ModelConfig File(string json) => ModelConfig.Parse(json, "generation_config.json");

    private CausalLM Stories(string generation)
    {
        foreach (var file in Directory.EnumerateFiles(Reference.Stories)) System.IO.File.Copy(file, folder[Path.GetFileName(file)], overwrite: true);
        System.IO.File.WriteAllText(folder["generation_config.json"], generation);
        return CausalLM.FromPretrained(folder);
    }

    [Theory]
    [InlineData("num_beam_groups", "2", "diverse beam search")]
    [InlineData("diversity_penalty", "0.5", "diverse beam search")]
    [InlineData("penalty_alpha", "0.6", "contrastive search")]
    [InlineData("guidance_scale", "1.5", "classifier-free guidance")]
    [InlineData("dola_layers", "\"high\"", "contrasting layers")]
    [InlineData("constraints", "[1]", "constrained")]
    [InlineData("force_words_ids", "[[1]]", "constrained")]
    [InlineData("prompt_lookup_num_tokens", "3", "prompt lookup")]
    [InlineData("watermarking_config", "{}", "watermark")]
    [InlineData("token_healing", "true", "token healing")]
    [InlineData("max_time", "2.5", "CancellationToken")]
    [InlineData("top_h", "0.4", "top-h")]
    public void What_is_not_implemented_is_refused_with_its_name_its_value_and_the_remedy(string field, string value, string meaning)
    {
        using var model = Stories($$"""{ "eos_token_id": 2, "{{field}}": {{value}} }""");
        var error = Should.Throw<UnsupportedModelException>(() => model.Generate([1], new GenerationOptions { MaxNewTokens = 2 }));
        error.Message.ShouldContain($"{field} = {value}");
        error.Message.ShouldContain(meaning);
        error.Message.ShouldContain("UseModelDefaults");
        model.Generate([1], new GenerationOptions { MaxNewTokens = 2, UseModelDefaults = false }).Count.ShouldBe(2);
    }

    [Theory]
    [InlineData("""{ "num_beam_groups": 1, "diversity_penalty": 0.0, "guidance_scale": 1.0, "penalty_alpha": null, "token_healing": false }""")]
    [InlineData("""{ "transformers_version": "5.12.1", "use_cache": false, "cache_implementation": "static", "output_scores": true, "bos_token_id": 1, "_from_model_config": true, "num_assistant_tokens": 20 }""")]
    [InlineData("""{ "something_new": 3 }""")]
    public void What_changes_nothing_is_left_alone(string json) => Should.NotThrow(() => GenerationFile.Read(File(json)));

    [Fact]
    public void Every_field_that_is_implemented_counts()
    {
        var read = GenerationFile.Read(File("""
            {
              "max_new_tokens": 9, "max_length": 30, "min_new_tokens": 2, "min_length": 5, "do_sample": true, "temperature": 0.7, "top_k": 11, "top_p": 0.8, "min_p": 0.1,
              "typical_p": 0.9, "epsilon_cutoff": 0.01, "eta_cutoff": 0.02, "repetition_penalty": 1.1, "encoder_repetition_penalty": 1.2, "no_repeat_ngram_size": 3,
              "encoder_no_repeat_ngram_size": 4, "bad_words_ids": [[5, 6], [7]], "sequence_bias": [[[8, 9], -1.5]], "suppress_tokens": [10], "begin_suppress_tokens": [12, 13],
              "forced_bos_token_id": 14, "forced_eos_token_id": 15, "exponential_decay_length_penalty": [16, 1.3], "remove_invalid_values": true, "renormalize_logits": true,
              "num_beams": 6, "length_penalty": 1.4, "early_stopping": "never", "num_return_sequences": 2, "stop_strings": "end"
            }
            """));

        (read.MaxNewTokens, read.MaxLength, read.MinNewTokens, read.MinLength).ShouldBe((9, 30, 2, 5));
        (read.DoSample, read.Temperature, read.TopK, read.TopP, read.MinP).ShouldBe((true, 0.7, 11, 0.8, 0.1));
        (read.TypicalP, read.EpsilonCutoff, read.EtaCutoff).ShouldBe((0.9, 0.01, 0.02));
        (read.RepetitionPenalty, read.EncoderRepetitionPenalty, read.NoRepeatNGramSize, read.EncoderNoRepeatNGramSize).ShouldBe((1.1, 1.2, 3, 4));
        read.BadWords!.Select(run => string.Join(' ', run)).ShouldBe(["5 6", "7"]);
        read.SequenceBias!.Single().Tokens.ShouldBe([8, 9]);
        read.SequenceBias![0].Bias.ShouldBe(-1.5);
        read.SuppressTokens!.ShouldBe([10]);
        read.BeginSuppressTokens!.ShouldBe([12, 13]);
        read.ForcedBosTokenId.ShouldBe(14);
        read.ForcedEosTokenIds!.ShouldBe([15]);
        read.ExponentialDecayLengthPenalty.ShouldBe((16, 1.3));
        (read.RemoveInvalidValues, read.RenormalizeLogits).ShouldBe((true, true));
        (read.NumBeams, read.LengthPenalty, read.EarlyStopping, read.NumReturnSequences).ShouldBe((6, 1.4, EarlyStopping.Never, 2));
        read.StopStrings!.ShouldBe(["end"]);
        // None is forgotten on the way: every option but those that no file has is set.
        string[] callers = [nameof(GenerationOptions.EndTokenIds), nameof(GenerationOptions.PadTokenId), nameof(GenerationOptions.Seed)];
        foreach (var property in typeof(GenerationOptions).GetProperties().Where(property => !callers.Contains(property.Name))) property.GetValue(read).ShouldNotBeNull(property.Name);
        var changes = GenerationSettings.Resolve(null, File("""{ "min_p": 0.1, "typical_p": 0.9, "bad_words_ids": [[5]], "forced_eos_token_id": [1, 2], "eos_token_id": 3 }"""), new ModelConfig([])).Changes;
        (changes.MinP, changes.TypicalP).ShouldBe((0.1, 0.9));
        changes.BadWords!.Count.ShouldBe(1);
        changes.ForcedEosTokenIds!.ShouldBe([1, 2]);
    }

    [Theory]
    [InlineData("true", EarlyStopping.WhenFull)]
    [InlineData("false", EarlyStopping.Heuristic)]
    public void Early_stopping_may_be_a_flag(string value, EarlyStopping expected)
        => GenerationFile.Read(File($$"""{ "early_stopping": {{value}} }""")).EarlyStopping.ShouldBe(expected);

    [Theory]
    [InlineData("early_stopping", "\"soon\"")]
    [InlineData("bad_words_ids", "[5]")]
    [InlineData("sequence_bias", "[[1, 2]]")]
    [InlineData("exponential_decay_length_penalty", "[1]")]
    [InlineData("max_new_tokens", "1.5")]
    [InlineData("temperature", "\"hot\"")]
    public void A_field_of_another_form_is_named(string field, string value)
        => Should.Throw<ModelFolderException>(() => GenerationFile.Read(File($$"""{ "{{field}}": {{value}} }"""))).Message.ShouldContain($"generation_config.json: {field} must be");

    [Fact]
    public void The_longest_length_includes_the_prompt_unless_new_tokens_are_named()
    {
        using var model = Stories("""{ "max_length": 12 }""");
        var free = new GenerationOptions { EndTokenIds = [] };
        model.Generate([1, 403, 407, 261], free).Count.ShouldBe(8);
        model.Generate([1, 403, 407, 261], free with { MaxNewTokens = 3 }).Count.ShouldBe(3);
        model.Generate([1, 403, 407, 261], free with { MaxLength = 6 }).Count.ShouldBe(2);
        Should.Throw<ArgumentException>(() => model.Generate([1, 403, 407, 261], free with { MaxLength = 4 })).Message.ShouldContain("The prompt has 4 tokens, but MaxLength is 4");
    }

    [Fact]
    public void The_files_beams_and_stop_strings_count()
    {
        using var model = Stories("""{ "num_beams": 3, "max_new_tokens": 10, "stop_strings": ["."] }""");
        var tokenizer = Tokenizer.FromPretrained(Reference.Stories);
        Should.Throw<ArgumentException>(() => model.Generate([1])).Message.ShouldContain("StopStrings need a tokenizer");
        var none = new GenerationOptions { StopStrings = [] };
        model.Generate([1], none).ShouldBe(model.BeamSearch([[1]], none)[0][0].Tokens);
        model.Generate("Once upon a time", tokenizer).ShouldNotContain(".");
    }
}
