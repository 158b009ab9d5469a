using System.Text.Json.Nodes;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

public class GenerationTests
{
    private static readonly GenerationOptions Greedy = new() { DoSample = false };

    public static TheoryData<string> Bases => ["llama", "llama3", "gpt2", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "phi3", "gpt-neox", "opt"];

    [Theory, MemberData(nameof(Bases))]
    public void Greedy_generation_gives_the_tokens_of_transformers(string name)
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromPretrained(Reference.Folder(name));
        var values = Reference.Values(name);
        var expected = values["generated_ids"].Ids();
        var width = values["input_ids"].shape[1];
        using var prompt = values["input_ids"].narrow(0, 0, 1);

        model.Generate(prompt, Greedy with { MaxNewTokens = expected.Count - (int)width }).Ids().ShouldBe(expected);
    }

    [Fact]
    public void The_stories_are_those_of_transformers_and_of_llama2_c()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var expected = JsonNode.Parse(File.ReadAllText(Path.Combine(Reference.Stories, "expected.json")))!;
        foreach (var story in expected["greedy"]!.AsArray())
        {
            var ids = story!["ids"]!.AsArray().Select(id => id!.GetValue<int>()).ToList();
            var prompt = ids[..^60];
            prompt.Concat(model.Generate(prompt, Greedy with { MaxNewTokens = 60 })).ShouldBe(ids);
        }
        var published = expected["published"]!["ids"]!.AsArray().Select(id => id!.GetValue<int>()).ToList();
        model.Generate([1], Greedy with { MaxNewTokens = published.Count - 1 }).ShouldBe(published[1..]);
    }

    [Theory, MemberData(nameof(Bases))]
    public void Prompts_in_a_batch_continue_as_each_alone(string name)
    {
        using var model = CausalLM.FromPretrained(Reference.Folder(name));
        IReadOnlyList<int>[] prompts = [[5, 17, 40, 8, 33], [9, 60], [44, 12, 7, 71, 3, 80, 21, 90]];
        var options = Greedy with { MaxNewTokens = 9, EndTokenIds = [] };

        var together = model.Generate(prompts, options);

        for (var i = 0; i < prompts.Length; i++) together[i].ShouldBe(model.Generate(prompts[i], options));
    }

    [Fact]
    public void A_row_of_a_batch_ends_at_its_own_end_token()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        IReadOnlyList<int>[] prompts = [[1, 403, 407, 261], [1, 317]];
        var free = model.Generate(prompts, Greedy with { MaxNewTokens = 30, EndTokenIds = [] });
        var end = free[0][10];

        var ended = model.Generate(prompts, Greedy with { MaxNewTokens = 30, EndTokenIds = [end] });

        ended[0].ShouldBe(free[0].Take(free[0].ToList().IndexOf(end) + 1));
        var other = free[1].ToList().IndexOf(end);
        ended[1].ShouldBe(other < 0 ? free[1] : free[1].Take(other + 1));
    }

    [Fact]
    public void A_seed_repeats_the_draw_and_the_top_token_alone_is_greedy()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var sampled = new GenerationOptions { DoSample = true, MaxNewTokens = 40, Seed = 7, Temperature = 1.2, TopP = 0.9, EndTokenIds = [] };

        model.Generate([1], sampled).ShouldBe(model.Generate([1], sampled));
        model.Generate([1], sampled).ShouldNotBe(model.Generate([1], sampled with { Seed = 8 }));
        model.Generate([1], sampled with { TopK = 1 }).ShouldBe(model.Generate([1], Greedy with { MaxNewTokens = 40, EndTokenIds = [] }));
    }

    [Fact]
    public void End_tokens_wait_for_the_fewest_new_tokens()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var first = model.Generate([1], Greedy with { MaxNewTokens = 1 })[0];

        model.Generate([1], Greedy with { MaxNewTokens = 20, EndTokenIds = [first] }).Count.ShouldBe(1);
        var longer = model.Generate([1], Greedy with { MaxNewTokens = 20, MinNewTokens = 5, EndTokenIds = [first] });
        longer.Count.ShouldBeGreaterThanOrEqualTo(6);
        longer.Take(5).ShouldNotContain(first);
    }

    [Fact]
    public async Task Streaming_gives_the_same_tokens_and_can_be_cancelled()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var options = Greedy with { MaxNewTokens = 25, EndTokenIds = [] };
        var streamed = new List<int>();
        await foreach (var token in model.GenerateTokensAsync([1], options)) streamed.Add(token);
        streamed.ShouldBe(model.Generate([1], options));

        using var cancel = new CancellationTokenSource();
        var seen = 0;
        await Should.ThrowAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in model.GenerateTokensAsync([1], options with { MaxNewTokens = 400 }, cancel.Token))
                if (++seen == 3) await cancel.CancelAsync();
        });
    }

    [Fact]
    public void Tensors_alive_do_not_grow_with_a_thousand_tokens()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        model.Generate([1], Greedy with { MaxNewTokens = 2, EndTokenIds = [] });
        var alive = new List<long>();
        foreach (var _ in model.GenerateTokens([1], Greedy with { MaxNewTokens = 1000, EndTokenIds = [] }))
            alive.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        alive[^1].ShouldBe(alive[10]);
        alive.Max().ShouldBe(alive.Skip(1).Min());
    }

    [Fact]
    public void Wrong_options_and_prompts_are_refused_with_their_values()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var error = Should.Throw<ArgumentException>(() => model.Generate([1], new GenerationOptions { MaxNewTokens = 0, TopP = 2, RepetitionPenalty = -1 }));
        error.Message.ShouldContain("MaxNewTokens must be at least 1, but is 0");
        error.Message.ShouldContain("TopP");
        error.Message.ShouldContain("RepetitionPenalty");
        Should.Throw<ArgumentException>(() => model.Generate([512])).Message.ShouldContain("512");
    }
}
