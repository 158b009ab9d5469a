using static TorchSharp.torch;

namespace Peft.Models.Tests.Generation;

/// <summary>Rows of small models decode in parts, a thread for each.</summary>
public class ParallelDecodingTests
{
    private static readonly int[][] Prompts = [[3, 9, 4], [8, 4, 3, 3, 9, 10, 2], [5], [11, 12, 7, 7]];

    [Theory, InlineData("llama"), InlineData("gpt2")]
    public void Samples_do_not_depend_on_the_number_of_threads(string kind)
    {
        using var model = (CausalLM)TinyModels.Create(kind, vocabulary: 24);
        using var peft = model.ApplyLora(rank: 4);
        peft.Shake(0.3, seed: 2);
        var options = new GenerationOptions { DoSample = true, Seed = 7, MaxNewTokens = 12, NumReturnSequences = 3, RepetitionPenalty = 1.2, EndTokenIds = [1] };
        var one = WithThreads(1, () => model.Generate(Prompts, options));
        one.Count.ShouldBe(12);
        foreach (var threads in new[] { 2, 3, 8 })
        {
            var several = WithThreads(threads, () => model.Generate(Prompts, options));
            several.Zip(one).ShouldAllBe(pair => pair.First.SequenceEqual(pair.Second));
        }
    }

    [Fact]
    public void An_error_in_a_part_is_thrown_and_leaves_nothing_behind()
    {
        using var model = (CausalLM)TinyModels.Create("llama", vocabulary: 24);
        using (no_grad()) model.Backbone.parameters().First().fill_(double.NaN);
        WithThreads(2, () => Should.Throw<GenerationException>(() => model.Generate(Prompts, new GenerationOptions { MaxNewTokens = 3 })));
    }

    [Fact]
    public void Memory_stays_flat_over_many_runs()
    {
        using var model = (CausalLM)TinyModels.Create("llama", vocabulary: 24);
        using var peft = model.ApplyLora(rank: 4);
        var options = new GenerationOptions { DoSample = true, Seed = 7, MaxNewTokens = 50, NumReturnSequences = 16, EndTokenIds = [] };
        long Run(int times) => WithThreads(2, () =>
        {
            for (var i = 0; i < times; i++) model.Generate(Prompts, options);
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return Environment.WorkingSet;
        });
        var before = Run(20);
        // The keys and values of one run alone take 0.9 MB.
        (Run(60) - before).ShouldBeLessThan(30L << 20);
    }

    private static T WithThreads<T>(int threads, Func<T> run)
    {
        var before = get_num_threads();
        set_num_threads(threads);
        try
        {
            return run();
        }
        finally
        {
            set_num_threads(before);
        }
    }
}
