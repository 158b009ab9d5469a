using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Generation with adapters gives what whole passes without a cache give.</summary>
public class AdapterGenerationTests
{
    private static readonly int[][] Prompts = [[5, 1, 3, 2], [7, 4], [9, 8, 2, 10, 6, 3]];
    private static readonly GenerationOptions Greedy = new() { MaxNewTokens = 7, EndTokenIds = [] };

    public static TheoryData<string> Kinds => ["llama", "gpt2", "t5"];

    // Two adapters that change much.
    private static PeftModel Adapt(LanguageModel model)
    {
        var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = "all-linear" }, "one");
        peft.Add("two", new LoraOptions { Rank = 3 });
        manual_seed(5);
        using var grad = no_grad();
        foreach (var name in new[] { "two", "one" })
        {
            peft.Activate(name);
            foreach (var tensor in peft.Trainables) tensor.Value.normal_(0, 0.3);
        }
        return peft;
    }

    [Theory, MemberData(nameof(Kinds))]
    public void An_active_adapter_and_a_merged_one_give_the_tokens_of_whole_passes(string kind)
    {
        using var model = TinyModels.Create(kind, vocabulary: 24);
        var plain = Prompts.Select(prompt => TinyModels.Greedy(model, prompt, 7)).ToList();
        using var peft = Adapt(model);
        var expected = Prompts.Select(prompt => TinyModels.Greedy(model, prompt, 7)).ToList();
        expected.ShouldNotBe(plain);

        model.Generate(Prompts, Greedy).ShouldBe(expected);
        foreach (var (prompt, tokens) in Prompts.Zip(expected)) model.Generate(prompt, Greedy).ShouldBe(tokens);
        using (peft.WithoutAdapters()) model.Generate(Prompts, Greedy).ShouldBe(plain);
        peft.Merge();
        model.Generate(Prompts, Greedy).ShouldBe(expected);
        peft.Unmerge();
        peft.Activate("one", "two");
        model.Generate(Prompts, Greedy).ShouldBe(Prompts.Select(prompt => TinyModels.Greedy(model, prompt, 7)));
    }

    [Theory, MemberData(nameof(Kinds))]
    public void A_row_of_a_mixed_batch_goes_through_its_own_adapter(string kind)
    {
        using var model = TinyModels.Create(kind, vocabulary: 24);
        using var peft = Adapt(model);
        string[] rows = ["two", PeftModel.Base, "one"];
        var expected = Alone(prompt => TinyModels.Greedy(model, prompt, 7));
        var searched = Alone(prompt => model.Generate(prompt, Greedy with { NumBeams = 3 }));
        var drawing = Greedy with { DoSample = true, Temperature = 1e-4, NumReturnSequences = 2, Seed = 1 };   // so cold that the likeliest token is drawn

        using (peft.Rows(rows))
        {
            model.Generate(Prompts, Greedy).ShouldBe(expected);
            model.Generate(Prompts, Greedy with { NumBeams = 3 }).ShouldBe(searched);
            model.Generate(Prompts, drawing).ShouldBe(expected.SelectMany(tokens => new[] { tokens, tokens }));
            model.Generate(Prompts, Greedy).ShouldBe(expected);   // the rows are three again
        }
        model.Generate(Prompts[2], Greedy).ShouldBe(expected[2]);   // "one" is active

        List<IReadOnlyList<int>> Alone(Func<int[], IReadOnlyList<int>> run)
        {
            var results = new List<IReadOnlyList<int>>();
            for (var i = 0; i < rows.Length; i++)
            {
                using var off = rows[i] == PeftModel.Base ? peft.WithoutAdapters() : null;
                if (off is null) peft.Activate(rows[i]);
                results.Add(run(Prompts[i]));
            }
            return results;
        }
    }

    [Fact]
    public void The_model_learns_on_as_before_after_generating()
    {
        using var model = TinyModels.Create("llama", vocabulary: 24);
        using var peft = Adapt(model);
        model.train();
        model.Generate(Prompts, Greedy with { NumBeams = 2 });
        model.training.ShouldBeTrue();
        using var ids = tensor(Prompts[2].Select(id => (long)id).ToArray()).unsqueeze(0);
        using var loss = model.Loss(new Batch { InputIds = ids, Labels = ids });
        loss.backward();
        peft.Trainables.Where(each => each.Value.grad is null).ShouldBeEmpty();
    }

    [Fact]
    public void Room_for_keys_and_values_is_made_once()
    {
        using var model = TinyModels.Create("llama", vocabulary: 24);
        using var peft = Adapt(model);
        model.eval();
        using var session = new GenerationSession(model, Prompts, GenerationSettings.Resolve(Greedy with { MaxNewTokens = 200 }, null, model.Config));
        var room = new HashSet<int>();
        while (session.Step()) room.Add(session.Cache.Capacity);
        room.ShouldBe([6 + 200 - 1]);                  // the last token is not read
        session.Cache.Length.ShouldBe(6 + 200 - 1);
    }

    [Fact]
    public async Task Nothing_stays_behind_over_many_runs_of_all_kinds()
    {
        using var model = TinyModels.Create("llama", vocabulary: 24);
        using var peft = Adapt(model);
        GenerationOptions[] kinds =
        [
            Greedy,
            Greedy with { RepetitionPenalty = 1.3, NoRepeatNGramSize = 2, BadWords = [[3]], MinNewTokens = 2 },
            Greedy with { DoSample = true, Seed = 3, TopP = 0.9, MinP = 0.01, TypicalP = 0.95, EtaCutoff = 0.001, NumReturnSequences = 2 },
            Greedy with { NumBeams = 3, EndTokenIds = [4] },
        ];
        var threads = get_num_threads();
        set_num_threads(1);   // the counts are those of this thread
        Round();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        for (var i = 0; i < 10; i++) Round();
        DisposeScopeManager.Statistics.ThreadTotalLiveCount.ShouldBe(before);
        set_num_threads(threads);

        void Round()
        {
            foreach (var options in kinds) model.Generate(Prompts, options);
            using (peft.Rows("two", PeftModel.Base, "one")) model.Generate(Prompts, kinds[3]);
            foreach (var _ in model.GenerateTokens(Prompts[0], Greedy)) break;   // left early
            Should.Throw<OperationCanceledException>(() => model.Generate(Prompts, Greedy, new CancellationToken(canceled: true)));
            Should.Throw<OperationCanceledException>(() => model.Generate(Prompts, kinds[3], new CancellationToken(canceled: true)));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void A_run_is_cancelled_between_two_tokens(int beams)
    {
        using var model = TinyModels.Create("llama", vocabulary: 24);
        using var cancel = new CancellationTokenSource();
        var processor = new Cancelling(cancel, atStep: 3);
        Should.Throw<OperationCanceledException>(() => model.Generate(Prompts, Greedy with { NumBeams = beams, LogitsProcessors = [processor] }, cancel.Token));
        processor.Steps.ShouldBe(4);   // 0 to 3
    }

    private sealed class Cancelling(CancellationTokenSource source, int atStep) : ILogitsProcessor
    {
        public int Steps { get; private set; }

        public Tensor Process(LogitsContext context, Tensor scores)
        {
            Steps++;
            if (context.Added == atStep) source.Cancel();
            return scores;
        }
    }
}
