using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>What each option does to scores, by its formula.</summary>
public class ProcessorTests
{
    private const float Gone = float.NegativeInfinity;
    private const double Tolerance = 1e-5;   // a few float32 operations

    private static readonly double[] Probabilities = [0.5, 0.3, 0.15, 0.05];
    private static readonly GenerationOptions Drawing = new() { DoSample = true, TopK = 0 };

    private static GenerationSettings Settings(GenerationOptions options) => GenerationSettings.Resolve(options, null, new ModelConfig([]));

    private static float[] Run(GenerationOptions options, float[] scores, int[] tokens, int added = 0, int[]? prompt = null, int limit = 20)
    {
        using var scope = NewDisposeScope();
        var pipeline = new LogitsPipeline(Settings(options), limit, tokens.Length == 1);
        return [.. pipeline.Process(new LogitsContext([prompt ?? tokens], [tokens], added), tensor(scores).unsqueeze(0)).contiguous().data<float>()];
    }

    private static float[] Flat(int count) => new float[count];

    private static int[] Left(float[] scores) => [.. Enumerable.Range(0, scores.Length).Where(i => scores[i] > Gone)];

    private static int[] LeftOf(GenerationOptions options, params int[] tokens) => Left(Run(options, Flat(8), tokens));

    private static int[] Drawn(GenerationOptions options) => Left(Run(options, [.. Probabilities.Select(p => (float)Math.Log(p))], [0]));

    [Fact]
    public void The_repetition_penalty_divides_positive_and_multiplies_negative_scores_once()
        => Run(new() { RepetitionPenalty = 2 }, [3, 2, -1.5f, -1], [0, 3, 0]).ShouldBe([1.5f, 2, -1.5f, -2], Tolerance);

    [Fact]
    public void The_encoders_penalty_favours_what_the_prompt_has()
        => Run(new() { EncoderRepetitionPenalty = 2 }, [3, 2, -1.5f, -1], [9], prompt: [0, 3]).ShouldBe([6, 2, -1.5f, -0.5f], Tolerance);

    [Fact]
    public void Rows_of_different_lengths_are_penalized_for_their_own_tokens()
    {
        using var scope = NewDisposeScope();
        var pipeline = new LogitsPipeline(Settings(new() { RepetitionPenalty = 2 }), 9, false);
        int[][] rows = [[1, 2, 2], [0]];
        pipeline.Process(new LogitsContext(rows, rows, 0), ones(2, 4)).contiguous().data<float>().ToArray().ShouldBe([1, 0.5f, 0.5f, 1, 0.5f, 1, 1, 1]);
    }

    [Fact]
    public void No_run_of_tokens_comes_twice()
    {
        LeftOf(new() { NoRepeatNGramSize = 3 }, 1, 2, 3, 1, 2).ShouldBe([0, 1, 2, 4, 5, 6, 7]);
        LeftOf(new() { NoRepeatNGramSize = 2 }, 1, 2, 1, 3, 1).ShouldBe([0, 1, 4, 5, 6, 7]);
        LeftOf(new() { NoRepeatNGramSize = 1 }, 1, 2).ShouldBe([0, 3, 4, 5, 6, 7]);
        LeftOf(new() { NoRepeatNGramSize = 3 }, 1).ShouldBe([0, 1, 2, 3, 4, 5, 6, 7]);
        Left(Run(new() { EncoderNoRepeatNGramSize = 3 }, Flat(8), [0, 4, 5], prompt: [4, 5, 6, 4, 7])).ShouldBe([0, 1, 2, 3, 4, 5, 7]);
    }

    [Fact]
    public void Bad_words_are_not_completed_but_a_text_can_end()
    {
        var options = new GenerationOptions { BadWords = [[2], [1, 3], [0, 1, 4], [7]], EndTokenIds = [7] };
        LeftOf(options, 0, 1).ShouldBe([0, 1, 5, 6, 7]);
        LeftOf(options, 1, 0).ShouldBe([0, 1, 3, 4, 5, 6, 7]);
        LeftOf(options, 1).ShouldBe([0, 1, 4, 5, 6, 7]);
    }

    [Fact]
    public void Runs_are_favoured_by_their_bias()
        => Run(new() { SequenceBias = [new([2], 1.5), new([0, 3], -2), new([1, 0], 9)] }, Flat(4), [1, 0]).ShouldBe([0, 0, 1.5f, -2]);

    [Fact]
    public void A_text_ends_no_earlier_than_asked()
    {
        var ends = new GenerationOptions { EndTokenIds = [2, 5] };
        Left(Run(ends with { MinNewTokens = 3 }, Flat(6), [1, 1, 1, 1], added: 2)).ShouldBe([0, 1, 3, 4]);
        Left(Run(ends with { MinNewTokens = 3 }, Flat(6), [1, 1, 1, 1], added: 3)).ShouldBe([0, 1, 2, 3, 4, 5]);
        Left(Run(ends with { MinLength = 4 }, Flat(6), [1, 1, 1], added: 1)).ShouldBe([0, 1, 3, 4]);
        Left(Run(ends with { MinLength = 4 }, Flat(6), [1, 1, 1, 1], added: 1)).ShouldBe([0, 1, 2, 3, 4, 5]);
    }

    [Fact]
    public void The_shortest_length_counts_each_rows_own_tokens()
    {
        using var scope = NewDisposeScope();
        var pipeline = new LogitsPipeline(Settings(new() { MinLength = 3, EndTokenIds = [0] }), 9, false);
        int[][] rows = [[1, 2, 2], [0]];
        pipeline.Process(new LogitsContext(rows, rows, 0), ones(2, 2)).contiguous().data<float>().ToArray().ShouldBe([1, 1, Gone, 1]);
    }

    [Fact]
    public void Tokens_are_suppressed_always_or_at_the_beginning()
    {
        LeftOf(new() { SuppressTokens = [1, 6] }, 0).ShouldBe([0, 2, 3, 4, 5, 7]);
        var begin = new GenerationOptions { BeginSuppressTokens = [1, 6] };
        Left(Run(begin, Flat(8), [0], added: 0)).ShouldBe([0, 2, 3, 4, 5, 7]);
        Left(Run(begin, Flat(8), [0, 3], added: 1)).Length.ShouldBe(8);
        // After a forced first token the beginning is the second.
        Left(Run(begin with { ForcedBosTokenId = 3 }, Flat(8), [0], added: 0)).ShouldBe([3]);
        using var scope = NewDisposeScope();
        var pipeline = new LogitsPipeline(Settings(begin with { ForcedBosTokenId = 3 }), 9, single: true);
        Left([.. pipeline.Process(new LogitsContext([[0]], [[0, 3]], 1), zeros(1, 8)).data<float>()]).ShouldBe([0, 2, 3, 4, 5, 7]);
    }

    [Fact]
    public void First_and_last_tokens_are_forced()
    {
        Left(Run(new() { ForcedBosTokenId = 4 }, Flat(6), [0])).ShouldBe([4]);
        Left(Run(new() { ForcedBosTokenId = 4 }, Flat(6), [0, 1])).Length.ShouldBe(6);
        Left(Run(new() { ForcedEosTokenIds = [2, 3] }, Flat(6), [0, 1], added: 8, limit: 9)).ShouldBe([2, 3]);
        Left(Run(new() { ForcedEosTokenIds = [2, 3] }, Flat(6), [0, 1], added: 7, limit: 9)).Length.ShouldBe(6);
    }

    [Fact]
    public void Ends_grow_likelier_after_the_start_of_the_decay()
    {
        var options = new GenerationOptions { ExponentialDecayLengthPenalty = (2, 1.5), EndTokenIds = [1] };
        Run(options, [1, -2, 3], [0], added: 4).ShouldBe([1, -2 + 2 * (float)(Math.Pow(1.5, 2) - 1), 3], Tolerance);
        Run(options, [1, -2, 3], [0], added: 2).ShouldBe([1, -2, 3]);
    }

    [Fact]
    public void Numbers_can_be_made_finite_and_scores_probabilities()
    {
        Run(new() { RemoveInvalidValues = true }, [float.NaN, float.PositiveInfinity, Gone, 1], [0]).ShouldBe([0, float.MaxValue, float.MinValue, 1]);
        Run(new() { RenormalizeLogits = true }, [1, 2, 3], [0]).Sum(score => Math.Exp(score)).ShouldBe(1, Tolerance);
    }

    [Fact]
    public void Drawing_keeps_the_likely_tokens()
    {
        Drawn(Drawing with { TopK = 3 }).ShouldBe([0, 1, 2]);
        Drawn(Drawing with { TopP = 0.75 }).ShouldBe([0, 1]);    // 0.5 is not enough, 0.8 is
        Drawn(Drawing with { TopP = 0.01 }).ShouldBe([0]);
        Drawn(Drawing with { MinP = 0.4 }).ShouldBe([0, 1]);     // at least 0.4 · 0.5
        Drawn(Drawing with { EpsilonCutoff = 0.1 }).ShouldBe([0, 1, 2]);
        Drawn(Drawing with { EpsilonCutoff = 0.9 }).ShouldBe([0]);
    }

    [Fact]
    public void Typical_tokens_are_those_nearest_to_the_entropy()
    {
        var entropy = -Probabilities.Sum(p => p * Math.Log(p));
        var order = Enumerable.Range(0, 4).OrderBy(i => Math.Abs(-Math.Log(Probabilities[i]) - entropy)).ToArray();
        order.ShouldBe([1, 0, 2, 3]);
        Drawn(Drawing with { TypicalP = 0.2 }).ShouldBe([1]);
        Drawn(Drawing with { TypicalP = 0.4 }).ShouldBe([0, 1]);
        Drawn(Drawing with { TypicalP = 0.9 }).ShouldBe([0, 1, 2]);
    }

    [Theory]
    [InlineData(0.3)]
    [InlineData(0.06)]
    [InlineData(0.004)]
    public void The_eta_bound_follows_the_entropy(double eta)
    {
        var entropy = -Probabilities.Sum(p => p * Math.Log(p));
        var bound = Math.Min(eta, Math.Sqrt(eta) * Math.Exp(-entropy));
        Drawn(Drawing with { EtaCutoff = eta }).ShouldBe(Enumerable.Range(0, 4).Where(i => Probabilities[i] >= bound));
    }

    [Fact]
    public void Drawn_beams_keep_a_token_beside_each_way_to_end()
        => Drawn(Drawing with { TopK = 1, NumBeams = 2, EndTokenIds = [7] }).ShouldBe([0, 1]);

    [Fact]
    public void The_temperature_comes_before_the_nucleus_and_after_a_users_processor()
    {
        var seen = new Recording();
        // At temperature 0.5 the probabilities are as 0.25 : 0.09 : 0.0225 : 0.0025, so that the first alone has 0.68.
        Drawn(Drawing with { Temperature = 0.5, TopP = 0.6, LogitsProcessors = [seen] }).ShouldBe([0]);
        Drawn(Drawing with { TopP = 0.6 }).ShouldBe([0, 1]);
        seen.Scores!.ShouldBe([.. Probabilities.Select(p => (float)Math.Log(p))], Tolerance);
        // The penalty comes before it.
        Run(new() { RepetitionPenalty = 2, LogitsProcessors = [seen] }, [4, 4], [1]);
        seen.Scores.ShouldBe([4, 2]);
    }

    [Fact]
    public void A_users_processor_sees_each_rows_tokens_and_can_exclude_some()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        IReadOnlyList<int>[] prompts = [[1, 403, 407, 261], [1, 317]];
        var options = new GenerationOptions { MaxNewTokens = 5, EndTokenIds = [] };
        var free = model.Generate(prompts, options);
        var processor = new Recording { Excluded = free[0][0] };

        var changed = model.Generate(prompts, options with { LogitsProcessors = [processor] });

        changed[0].ShouldNotContain(free[0][0]);
        processor.Calls.ShouldBe(5);
        processor.Last!.Added.ShouldBe(4);
        processor.Last.Prompts.ShouldBe(prompts);
        processor.Last.Tokens[1].ShouldBe([1, 317, .. changed[1]]);   // the lists grow with the run
    }

    [Fact]
    public void A_processor_that_returns_no_scores_is_named()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var error = Should.Throw<GenerationException>(() => model.Generate([1], new GenerationOptions { LogitsProcessors = [new Broken()] }));
        error.Message.ShouldContain("Broken returned Float32 [1], but the scores are Float32 [1, 512]");
    }

    private sealed class Recording : ILogitsProcessor
    {
        public float[]? Scores { get; private set; }
        public LogitsContext? Last { get; private set; }
        public int Calls { get; private set; }
        public int? Excluded { get; init; }

        public Tensor Process(LogitsContext context, Tensor scores)
        {
            (Scores, Last, Calls) = ([.. scores.contiguous().data<float>()], context, Calls + 1);
            return Excluded is { } id ? scores.index_fill(-1, tensor((long)id), Gone) : scores;
        }
    }

    private sealed class Broken : ILogitsProcessor
    {
        public Tensor Process(LogitsContext context, Tensor scores) => scores.amax([-1]);
    }
}
