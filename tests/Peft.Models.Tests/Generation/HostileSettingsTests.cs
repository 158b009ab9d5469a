using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Numbers in generation settings that no program should give, and what files of other models say.</summary>
public sealed class HostileSettingsTests : IDisposable
{
    private const int Vocabulary = 12;

    private static readonly GenerationOptions Three = new() { MaxNewTokens = 3, EndTokenIds = [], TopK = 0, Seed = 1 };

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly LanguageModel model = TinyModels.Create("llama", Vocabulary);

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
    }

    /// <summary>The ways to choose a token.</summary>
    public static TheoryData<string> Ways => ["greedy", "sampling", "beams", "sampling beams"];

    private static GenerationOptions By(string way, GenerationOptions options) => options with { DoSample = way.StartsWith("sampling", StringComparison.Ordinal), NumBeams = way.EndsWith("beams", StringComparison.Ordinal) ? 2 : 1 };

    [Theory]
    [InlineData((1L << 32) + 1)]
    [InlineData(-1L)]
    [InlineData(long.MinValue)]
    [InlineData((long)Vocabulary)]
    public void A_token_id_that_the_model_does_not_have_is_never_taken_for_another(long id)
        => Should.Throw<ArgumentException>(() => model.Generate(tensor(new[,] { { 1, id } }), Three)).Message.ShouldContain($"Token id {id} is outside the model's vocabulary of {Vocabulary}");

    [Fact]
    public void What_are_no_rows_of_token_ids_is_refused_with_the_remedy()
    {
        Should.Throw<ArgumentException>(() => model.Generate(tensor(new long[] { 1, 2 }), Three)).Message.ShouldContain("unsqueeze(0)");
        Should.Throw<ArgumentException>(() => model.Generate(ones(1, 2), Three)).Message.ShouldContain("integers");
        Should.Throw<ArgumentException>(() => model.Generate(zeros([0, 2], ScalarType.Int64), Three)).Message.ShouldContain("at least one row");
        Should.Throw<ArgumentException>(() => model.Generate([null!], Three)).Message.ShouldContain("at least one");
        model.Generate(tensor(new[,] { { 1, 2 } }), Three).shape.ShouldBe([1, 5]);   // int32
    }

    [Theory]
    [InlineData("max_new_tokens")]
    [InlineData("max_length")]
    [InlineData("min_new_tokens")]
    [InlineData("min_length")]
    [InlineData("top_k")]
    [InlineData("no_repeat_ngram_size")]
    [InlineData("encoder_no_repeat_ngram_size")]
    [InlineData("forced_bos_token_id")]
    [InlineData("forced_eos_token_id")]
    [InlineData("suppress_tokens")]
    [InlineData("begin_suppress_tokens")]
    [InlineData("num_beams")]
    [InlineData("num_return_sequences")]
    public void A_number_in_a_file_that_does_not_fit_is_refused_and_not_cut(string field)
    {
        foreach (var value in new[] { "4294967301", "1e300", "2.5", "-9223372036854775808", "\"5\"" })
        {
            var error = Should.Throw<ModelFolderException>(() => GenerationFile.Read(ModelConfig.Parse($$"""{ "{{field}}": {{value}} }""", "generation_config.json")));
            error.Message.ShouldContain($"generation_config.json: {field} must be");
            error.Message.ShouldContain(value);
        }
    }

    [Theory]
    [InlineData("pad_token_id")]
    [InlineData("decoder_start_token_id")]
    public void Ids_of_a_configuration_are_not_cut(string field)
        => Should.Throw<ModelFolderException>(() => ModelConfig.Parse($$"""{ "{{field}}": 4294967301 }""").Whole(field)).Message.ShouldContain(field);

    /// <summary>Options with ids, by the field: what they are with an id.</summary>
    private static readonly Dictionary<string, Func<int, GenerationOptions>> WithId = new()
    {
        [nameof(GenerationOptions.EndTokenIds)] = id => Three with { EndTokenIds = [id], MinNewTokens = 1, ExponentialDecayLengthPenalty = (0, 1.5) },
        [nameof(GenerationOptions.SuppressTokens)] = id => Three with { SuppressTokens = [id] },
        [nameof(GenerationOptions.BeginSuppressTokens)] = id => Three with { BeginSuppressTokens = [id] },
        [nameof(GenerationOptions.ForcedBosTokenId)] = id => Three with { ForcedBosTokenId = id },
        [nameof(GenerationOptions.ForcedEosTokenIds)] = id => Three with { ForcedEosTokenIds = [id] },
        [nameof(GenerationOptions.BadWords)] = id => Three with { BadWords = [[1, id], [id]] },
        [nameof(GenerationOptions.SequenceBias)] = id => Three with { SequenceBias = [new([id], 1)] },
        [nameof(GenerationOptions.PadTokenId)] = id => Three with { PadTokenId = id },
    };

    public static TheoryData<string, string> FieldsAndWays
    {
        get
        {
            var all = new TheoryData<string, string>();
            foreach (var option in WithId.Keys)
                foreach (var way in new[] { "greedy", "sampling", "beams", "sampling beams" }) all.Add(option, way);
            return all;
        }
    }

    [Theory, MemberData(nameof(FieldsAndWays))]
    public void A_negative_id_is_named_and_never_counts_from_the_end(string field, string way)
    {
        var error = Should.Throw<ArgumentException>(() => model.Generate([[1]], By(way, WithId[field](-1))));
        error.Message.ShouldContain(field);
        error.Message.ShouldContain("-1");
    }

    // As transformers: it looks for ends and suppressed tokens among those that it has, but writes to the places of forced, bad and preferred ones.
    [Theory, MemberData(nameof(FieldsAndWays))]
    public void An_id_beyond_the_vocabulary_does_nothing_where_it_cannot_and_is_named_elsewhere(string field, string way)
    {
        foreach (var id in new[] { Vocabulary, 32007, int.MaxValue })
        {
            var options = By(way, WithId[field](id));
            if (field is nameof(GenerationOptions.EndTokenIds) or nameof(GenerationOptions.SuppressTokens) or nameof(GenerationOptions.BeginSuppressTokens))
                model.Generate([[1]], options).ShouldBe(model.Generate([[1]], By(way, Three)));
            else
            {
                var error = Should.Throw<ArgumentException>(() => model.Generate([[1]], options));
                error.Message.ShouldContain($"{field} has the token {id}");
                error.Message.ShouldContain($"0 to {Vocabulary - 1}");
            }
        }
    }

    [Theory, MemberData(nameof(Ways))]
    public void The_settings_of_a_model_with_more_tokens_do_no_harm_in_a_smaller_one(string way)
    {
        // Phi-3's ends and padding; −1 stood for none in files of old.
        var file = ModelConfig.Parse("""{ "eos_token_id": [32007, 32001, 32000, -1], "pad_token_id": 32000, "suppress_tokens": [-1, 50000], "begin_suppress_tokens": [220, 50256] }""", "generation_config.json");
        var settings = GenerationSettings.Resolve(new() { MinNewTokens = 2 }, file, model.Config, Vocabulary);
        settings.EndTokenIds.ShouldBeEmpty();
        settings.Changes.SuppressTokens.ShouldBeEmpty();
        settings.Changes.BeginSuppressTokens.ShouldBeEmpty();
        settings.PadTokenId.ShouldBe(model.Config.PadTokenId is >= 0 and < Vocabulary and var own ? own : 0);
        model.Generate([[1], [2, 3]], By(way, Three with { EndTokenIds = [32007, 32000], MinNewTokens = 2 })).Select(row => row.Count).ShouldBe([3, 3]);
    }

    [Theory, MemberData(nameof(Ways))]
    public void Weights_that_are_not_finite_are_named_with_the_step_and_never_written_from(string way)
    {
        using var _ = no_grad();
        foreach (var wrong in new[] { double.NaN, double.PositiveInfinity })
        {
            using var broken = TinyModels.Create("llama", Vocabulary);
            broken.Head.Weight[3].fill_(wrong);
            var error = Should.Throw<GenerationException>(() => broken.Generate([[1, 2]], By(way, Three)));
            error.Message.ShouldContain("not finite at step 0");
            error.Message.ShouldContain("weights");
        }
    }

    [Fact]
    public void Logits_that_are_not_finite_are_named_in_every_call_that_writes()
    {
        using var _ = no_grad();
        foreach (var kind in new[] { "llama", "gpt2", "t5" })
        {
            using var broken = TinyModels.Create(kind, 100);
            broken.InputEmbeddings.Weight[7].fill_(double.NaN);
            Should.Throw<GenerationException>(() => broken.Generate([1, 7], Three));
            Should.Throw<GenerationException>(() => broken.Generate(tensor(new long[,] { { 1, 7 } }), Three));
            Should.Throw<GenerationException>(() => broken.GenerateTokens([1, 7], Three).ToList());
            Should.Throw<GenerationException>(() => broken.BeamSearch([[1, 7]], Three with { NumBeams = 2 }));
        }
    }

    [Fact]
    public void The_row_is_named_whose_logits_are_not_finite()
    {
        using var _ = no_grad();
        model.InputEmbeddings.Weight[7].fill_(double.NaN);
        if (!ReferenceEquals(model.Head.Weight, model.InputEmbeddings.Weight))
            Should.Throw<GenerationException>(() => model.Generate([[1, 2], [7, 2]], Three)).Message.ShouldContain("row 1");
    }

    [Theory, MemberData(nameof(Ways))]
    public void Invalid_values_that_are_to_be_removed_are_no_error(string way)
    {
        using var _ = no_grad();
        model.Head.Weight[3].fill_(double.NaN);
        model.Generate([[1, 2], [2, 3]], By(way, Three with { RemoveInvalidValues = true })).Select(row => row.Count).ShouldBe([3, 3]);
    }

    [Theory, MemberData(nameof(Ways))]
    public void Options_that_leave_no_token_are_named(string way)
    {
        int[] all = [.. Enumerable.Range(0, Vocabulary)];
        GenerationOptions[] each =
        [
            Three with { SuppressTokens = all }, Three with { BeginSuppressTokens = all }, Three with { EndTokenIds = all, MinNewTokens = 2 }, Three with { SequenceBias = [.. all.Select(id => new TokenBias([id], double.NegativeInfinity))] },
        ];
        foreach (var options in each) Should.Throw<GenerationException>(() => model.Generate([[1]], By(way, options))).Message.ShouldContain("No token is left to choose at step 0");
    }

    [Theory, MemberData(nameof(Ways))]
    public void Extremes_that_have_a_meaning_give_tokens(string way)
    {
        GenerationOptions[] each =
        [
            Three with { TopP = 1e-300 }, Three with { MinP = 1 }, Three with { TypicalP = 1e-300 }, Three with { EpsilonCutoff = 0.999999 }, Three with { EtaCutoff = 0.999999 },
            Three with { TopK = int.MaxValue }, Three with { Temperature = 1e-20 }, Three with { Temperature = 1e30 }, Three with { RepetitionPenalty = 1e20 }, Three with { NoRepeatNGramSize = int.MaxValue },
            Three with { EncoderNoRepeatNGramSize = int.MaxValue }, Three with { MinLength = int.MaxValue }, Three with { SequenceBias = [new([1], float.MinValue)] },
        ];
        foreach (var options in each) model.Generate([[1, 2]], By(way, options))[0].Count.ShouldBe(3);
    }

    [Theory]
    [InlineData("Temperature")]
    [InlineData("RepetitionPenalty")]
    [InlineData("EncoderRepetitionPenalty")]
    [InlineData("LengthPenalty")]
    [InlineData("TopP")]
    [InlineData("MinP")]
    [InlineData("TypicalP")]
    [InlineData("EpsilonCutoff")]
    [InlineData("EtaCutoff")]
    public void Numbers_beyond_float32_are_named(string option)
    {
        var property = typeof(GenerationOptions).GetProperty(option)!;
        foreach (var value in new[] { double.NaN, double.PositiveInfinity, 1e-300, 1e300, -1e300 })
        {
            var options = By("sampling", Three);
            property.SetValue(options, value);
            if (value is 1e-300 && option is not ("Temperature" or "RepetitionPenalty" or "EncoderRepetitionPenalty")) model.Generate([1, 2], options).Count.ShouldBe(3);
            else Should.Throw<ArgumentException>(() => model.Generate([1, 2], options)).Message.ShouldContain($"{option} must");
        }
    }

    [Fact]
    public void Other_settings_that_make_no_sense_are_named()
    {
        (GenerationOptions Options, string Name)[] each =
        [
            (Three with { SequenceBias = [new([1], double.NaN)] }, "SequenceBias"), (Three with { SequenceBias = [new([1], 1e300)] }, "SequenceBias"), (Three with { SequenceBias = [null!] }, "SequenceBias"),
            (Three with { SequenceBias = [new(null!, 1)] }, "SequenceBias"), (Three with { BadWords = [null!] }, "BadWords"), (Three with { BadWords = [[]] }, "BadWords"), (Three with { StopStrings = [""] }, "StopStrings"),
            (Three with { StopStrings = [null!] }, "StopStrings"), (Three with { LogitsProcessors = [null!] }, "LogitsProcessors"), (Three with { LogitsProcessors = null! }, "LogitsProcessors"),
            (Three with { EarlyStopping = (EarlyStopping)9 }, "EarlyStopping"), (Three with { ExponentialDecayLengthPenalty = (1, double.NaN) }, "ExponentialDecayLengthPenalty"),
            (Three with { MaxNewTokens = int.MinValue }, "MaxNewTokens"), (Three with { NumBeams = -1 }, "NumBeams"), (Three with { NumReturnSequences = 0 }, "NumReturnSequences"), (Three with { TopK = -1 }, "TopK"),
        ];
        foreach (var (options, name) in each) Should.Throw<ArgumentException>(() => model.Generate([[1]], options)).Message.ShouldContain(name);
    }

    [Fact]
    public void Rows_that_the_machine_cannot_hold_are_refused_before_they_are_made()
    {
        Should.Throw<NotEnoughMemoryException>(() => model.Generate([[1]], Three with { NumBeams = int.MaxValue })).Message.ShouldContain("NumBeams");
        Should.Throw<NotEnoughMemoryException>(() => model.Generate([[1]], Three with { DoSample = true, NumReturnSequences = int.MaxValue })).Message.ShouldContain("NumReturnSequences");
        Should.Throw<ArgumentOutOfRangeException>(() => new KeyValueCache(-1));
        using var cache = new KeyValueCache(int.MaxValue);
        using var _ = no_grad();
        Should.Throw<NotEnoughMemoryException>(() => model.forward(new ModelInput { InputIds = ones([1000, 1], ScalarType.Int64), Cache = cache }));
    }

    [Fact]
    public void A_limit_far_beyond_what_is_written_needs_no_room()
    {
        var first = model.Generate([1, 2], Three)[0];
        model.Generate([1, 2], new GenerationOptions { MaxNewTokens = int.MaxValue, EndTokenIds = [first] }).ShouldBe([first]);
        model.Generate([[1, 2], [3]], new GenerationOptions { MaxNewTokens = int.MaxValue, EndTokenIds = [.. Enumerable.Range(0, Vocabulary)], NumBeams = 2 }).ShouldAllBe(row => row.Count == 1);
        model.GenerateTokens([1, 2], new GenerationOptions { MaxNewTokens = int.MaxValue, EndTokenIds = [] }).Take(3).ShouldBe(model.Generate([1, 2], Three));
    }

    [Fact]
    public void Padded_rows_go_on_beyond_the_room_that_is_made_at_first()
    {
        using var small = CausalLM.FromConfig(ModelConfig.Parse("""
            { "model_type": "llama", "vocab_size": 6, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 4, "max_position_embeddings": 64, "initializer_range": 1.0 }
            """));
        var options = new GenerationOptions { MaxNewTokens = 4110, EndTokenIds = [] };
        var together = small.Generate([[1, 2, 3], [4]], options);
        together[1].ShouldBe(small.Generate([4], options));
    }
}
