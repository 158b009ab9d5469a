using TorchSharp;

namespace Peft.Models.Tests;

public class BeamSearchTests
{
    // Float32 with a cache against float32 without, summed over a few tokens and divided by their number.
    private const double Tolerance = 1e-3;

    private static readonly int[] Prompt = [1, 3, 2, 1];

    public static TheoryData<string> Kinds => ["llama", "gpt2", "t5"];

    public static TheoryData<string> Bases => ["llama", "gpt2", "mistral", "gemma2", "gpt-neox", "opt", "t5", "t5-gated"];

    [Theory, MemberData(nameof(Kinds))]
    public void With_a_beam_for_every_text_the_hypotheses_are_all_texts_in_the_order_of_their_scores(string kind)
    {
        using var model = TinyModels.Create(kind, vocabulary: 4);
        const int End = 3, Limit = 3;
        var expected = new List<(int[] Tokens, double Score)>();
        Collect([], 0);
        expected.Count.ShouldBe(1 + 3 + 9 * 4);   // ended after one, two, or (ended or not) three tokens

        var found = model.BeamSearch([Prompt], new() { NumBeams = 64, NumReturnSequences = 64, MaxNewTokens = Limit, EndTokenIds = [End] })[0];

        found.Count.ShouldBe(expected.Count);
        foreach (var (hypothesis, (_, score)) in found.Zip(expected.OrderByDescending(each => each.Score))) hypothesis.Score.ShouldBe(score, Tolerance);
        foreach (var hypothesis in found) hypothesis.Score.ShouldBe(expected.Single(each => each.Tokens.SequenceEqual(hypothesis.Tokens)).Score, Tolerance);

        void Collect(int[] tokens, double sum)
        {
            if (tokens.Length == Limit || tokens is [.., End])
            {
                expected.Add((tokens, sum / tokens.Length));
                return;
            }
            var next = TinyModels.Next(model, Prompt, tokens);
            for (var token = 0; token < next.Length; token++) Collect([.. tokens, token], sum + next[token]);
        }
    }

    [Theory, MemberData(nameof(Kinds))]
    public void With_few_beams_the_hypotheses_are_those_of_the_definition(string kind)
    {
        using var model = TinyModels.Create(kind, vocabulary: 7);
        var known = new Dictionary<string, double[]>();
        double[] Next(IReadOnlyList<int> added)
        {
            var key = string.Join(',', added);
            return known.TryGetValue(key, out var row) ? row : known[key] = TinyModels.Next(model, Prompt, added);
        }
        foreach (var beams in new[] { 2, 3, 5 })
            foreach (var penalty in new[] { -1.0, 0, 1, 2 })
                foreach (var stopping in Enum.GetValues<EarlyStopping>())
                    foreach (var ends in new int[][] { [0], [0, 4] })
                    {
                        var options = new GenerationOptions
                        {
                            NumBeams = beams, NumReturnSequences = beams, MaxNewTokens = 6, LengthPenalty = penalty, EarlyStopping = stopping, EndTokenIds = ends,
                        };
                        var expected = BeamReference.Search(Next, beams, 6, ends, penalty, stopping);
                        var found = model.BeamSearch([Prompt], options)[0];
                        var about = $"{beams} beams, penalty {penalty}, {stopping}, {ends.Length} ends";
                        found.Select(each => string.Join(' ', each.Tokens)).ShouldBe(expected.Select(each => string.Join(' ', each.Tokens)), about);
                        foreach (var (hypothesis, (_, score)) in found.Zip(expected)) hypothesis.Score.ShouldBe(score, Tolerance, about);
                    }
    }

    [Theory, MemberData(nameof(Kinds))]
    public void A_single_beam_that_cannot_end_is_greedy(string kind)
    {
        using var model = TinyModels.Create(kind, vocabulary: 11);
        model.eval();
        var settings = GenerationSettings.Resolve(new() { MaxNewTokens = 9, EndTokenIds = [] }, null, model.Config);
        using var search = new BeamSearch(model, [Prompt], settings);
        search.Run(default)[0].Single().Tokens.ShouldBe(TinyModels.Greedy(model, Prompt, 9));
    }

    [Theory, MemberData(nameof(Bases))]
    public void Prompts_in_a_batch_are_searched_as_each_alone(string name)
    {
        using var model = (LanguageModel)Reference.Load(name);
        IReadOnlyList<int>[] prompts = [[5, 17, 40, 8, 33], [9, 60], [44, 12, 7, 71, 3, 80, 21, 90]];
        var options = new GenerationOptions { NumBeams = 3, NumReturnSequences = 2, MaxNewTokens = 8, EndTokenIds = [], RepetitionPenalty = 1.5 };
        // A token that comes in the middle ends some texts early.
        options = options with { EndTokenIds = [model.BeamSearch([prompts[0]], options)[0][0].Tokens[4]] };

        var together = model.BeamSearch(prompts, options);

        for (var i = 0; i < prompts.Length; i++)
        {
            var alone = model.BeamSearch([prompts[i]], options)[0];
            together[i].Select(each => each.Tokens).ShouldBe(alone.Select(each => each.Tokens));
            together[i].Select(each => each.Score).ShouldBe(alone.Select(each => each.Score), Tolerance);
        }
    }

    [Fact]
    public void A_score_is_the_sum_of_log_probabilities_over_a_power_of_the_length()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        int[] prompt = [1, 403, 407, 261];
        var found = model.BeamSearch([prompt], new() { NumBeams = 4, NumReturnSequences = 4, MaxNewTokens = 20, LengthPenalty = 0.7, EndTokenIds = [] })[0];
        found.Select(each => each.Score).ShouldBe(found.Select(each => each.Score).OrderDescending());
        foreach (var (tokens, score) in found)
        {
            var sum = Enumerable.Range(0, tokens.Count).Sum(i => TinyModels.Next(model, prompt, [.. tokens.Take(i)])[tokens[i]]);
            score.ShouldBe(sum / Math.Pow(tokens.Count, 0.7), Tolerance);
        }
        // A search is worth its price: no worse than the likeliest tokens one by one.
        var greedy = model.Generate(prompt, new GenerationOptions { MaxNewTokens = 20, EndTokenIds = [] });
        var greedySum = Enumerable.Range(0, 20).Sum(i => TinyModels.Next(model, prompt, [.. greedy.Take(i)])[greedy[i]]);
        found[0].Score.ShouldBeGreaterThan(greedySum / Math.Pow(20, 0.7) - Tolerance);
    }

    [Fact]
    public void Several_sequences_of_a_prompt_come_one_after_another()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        IReadOnlyList<int>[] prompts = [[1, 403, 407, 261], [1, 317]];
        var options = new GenerationOptions { NumBeams = 3, NumReturnSequences = 2, MaxNewTokens = 6 };

        var flat = model.Generate(prompts, options);

        flat.ShouldBe(model.BeamSearch(prompts, options).SelectMany(found => found.Select(each => each.Tokens)));
        using var ids = torch.tensor(new long[] { 1, 403, 407, 261 }).unsqueeze(0);
        using var all = model.Generate(ids, options);
        all.shape[0].ShouldBe(2);
        all.Ids().Take(4).ShouldBe([1, 403, 407, 261]);
        all.Ids().Skip((int)all.shape[1] + 4).Take(flat[1].Count).ShouldBe(flat[1]);
    }

    [Fact]
    public void Beams_can_be_drawn_and_a_seed_repeats_the_draw()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var options = new GenerationOptions { NumBeams = 3, DoSample = true, Temperature = 1.5, MaxNewTokens = 15, Seed = 4, EndTokenIds = [] };
        var first = model.Generate([1], options);
        first.Count.ShouldBe(15);
        model.Generate([1], options).ShouldBe(first);
        model.Generate([1], options with { Seed = 5 }).ShouldNotBe(first);
    }

    [Fact]
    public void Room_for_keys_and_values_is_made_once_for_the_prompt_and_once_for_the_beams()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var settings = GenerationSettings.Resolve(new() { NumBeams = 3, MaxNewTokens = 100, EndTokenIds = [] }, null, model.Config);
        using var search = new BeamSearch(model, [[1, 403], [1]], settings);
        search.Cache.Capacity.ShouldBe(2);
        search.Run(default);
        search.Cache.Capacity.ShouldBe(2 + 100 - 1);   // the last token is not read
        search.Cache.Length.ShouldBe(2 + 100 - 1);
    }

    [Fact]
    public void What_cannot_be_searched_is_refused()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var beams = new GenerationOptions { NumBeams = 2 };
        Should.Throw<ArgumentException>(() => model.GenerateTokens([1], beams)).Message.ShouldContain("NumBeams is 2, but beam search determines its tokens only at the end");
        Should.Throw<ArgumentException>(() => model.Generate([1], beams with { NumReturnSequences = 2 })).Message.ShouldContain("returns one");
        Should.Throw<ArgumentException>(() => model.Generate([[1]], beams with { NumReturnSequences = 3 })).Message.ShouldContain("raise NumBeams");
        Should.Throw<ArgumentException>(() => model.Generate([[1]], new GenerationOptions { NumReturnSequences = 3 })).Message.ShouldContain("set NumBeams or DoSample");
        Should.Throw<ArgumentException>(() => model.BeamSearch([[1]], new())).Message.ShouldContain("not a beam search");
        Should.Throw<ArgumentException>(() => model.Generate([1], new GenerationOptions { NumBeams = 0 })).Message.ShouldContain("NumBeams must be at least 1");
        Should.Throw<GenerationException>(() => model.Generate([1], beams with { SuppressTokens = [.. Enumerable.Range(0, 512)] })).Message.ShouldContain("No token is left");
    }
}
