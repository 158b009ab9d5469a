using System.Collections.Concurrent;
using System.Diagnostics;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

/// <summary>Passes, generations and changes of adapters on several threads at once: whoever has begun with an adapter ends with it, and nobody sees two.</summary>
public sealed class ConcurrencyTests : IDisposable
{
    private static readonly int[] Prompt = [5, 1, 3, 2];
    private static readonly GenerationOptions Greedy = new() { MaxNewTokens = 10, EndTokenIds = [] };

    private readonly TemporaryFolder folder = new();
    private readonly CausalLM model = SmallModel.Create();
    private readonly Tensor ids = SmallModel.Ids();
    private readonly PeftModel peft;
    private readonly Dictionary<string, IReadOnlyList<int>> tokens = [];
    private readonly Dictionary<string, Tensor> logits = [];

    public ConcurrencyTests()
    {
        peft = new PeftModel(model);
        AdapterOptions[] options =
        [
            new LoraOptions { Rank = 2, TargetModules = "all-linear" }, new LoraOptions { Rank = 3, UseDora = true, TargetModules = ["q_proj", "v_proj", "down_proj"] },
            new Ia3Options { TargetModules = ["k_proj", "down_proj"], FeedForwardModules = ["down_proj"] }, new PromptTuningOptions { VirtualTokens = 3 },
        ];
        for (var i = 0; i < options.Length; i++)
        {
            peft.AddSample("", $"a{i}", seed: i, options[i]).Trained(seed: i + 10, size: 0.3);
            peft.SaveAdapter(folder, $"a{i}");
            tokens[$"a{i}"] = model.Generate(Prompt, Greedy);
            logits[$"a{i}"] = Logits();
        }
        using var off = peft.WithoutAdapters();
        tokens[PeftModel.Base] = model.Generate(Prompt, Greedy);
        logits[PeftModel.Base] = Logits();
        tokens.Values.Select(each => string.Join(' ', each)).Distinct().Count().ShouldBe(tokens.Count);
    }

    public void Dispose()
    {
        peft.Dispose();
        model.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void Eight_threads_generate_and_swap_load_delete_activate_and_merge_for_a_minute()
    {
        peft.LoadAdapter(folder["a0"], "swapped");
        var (clock, counts, errors) = (Stopwatch.StartNew(), new ConcurrentDictionary<string, int>(), new ConcurrentQueue<Exception>());
        using var scopes = new ReaderWriterLockSlim();   // merging is refused while a scope is open: now and then none is
        var threads = new Action<Random>[] { Request, Request, Request, Stream, Pass, Swap, Life, Merge }.Select((work, i) => new Thread(() =>
        {
            var random = new Random(i);
            try
            {
                while (clock.Elapsed < TimeSpan.FromSeconds(60) && errors.IsEmpty) work(random);
            }
            catch (Exception exception)
            {
                errors.Enqueue(exception);
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        errors.ShouldBeEmpty();
        foreach (var what in new[] { "request", "rows", "stream", "pass", "swap", "life", "merge" }) counts.GetValueOrDefault(what).ShouldBeGreaterThan(20, string.Join(", ", counts));

        // An adapter for the request, whatever is active.
        void Request(Random random)
        {
            var name = Name(random);
            if (name == "swapped")
            {
                Unless(() => peft.WithAdapters(name), () => Written(model.Generate(Prompt, Greedy), "a0", "a1"));
                return;
            }
            if (random.Next(2) == 0)
            {
                Unless(() => peft.WithAdapters(name), () => Written(model.Generate(Prompt, Greedy), name));
                counts.AddOrUpdate("request", 1, (_, n) => n + 1);
                return;
            }
            var second = Name(random) is var drawn && drawn == "swapped" ? "a2" : drawn;
            Unless(() => peft.Rows(name, second), () =>
            {
                var both = model.Generate([Prompt, Prompt], Greedy);
                Written(both[0], name);
                Written(both[1], second);
                counts.AddOrUpdate("rows", 1, (_, n) => n + 1);
            });
        }

        void Stream(Random random)
        {
            var name = Name(random);
            Unless(() => peft.WithAdapters(name), () =>
            {
                var read = new List<int>();
                foreach (var token in model.GenerateTokens(Prompt, Greedy))
                {
                    read.Add(token);
                    Thread.Yield();
                }
                Written(read, name == "swapped" ? ["a0", "a1"] : [name]);
                counts.AddOrUpdate("stream", 1, (_, n) => n + 1);
            });
        }

        void Pass(Random random)
        {
            using var scope = NewDisposeScope();
            using (peft.WithoutAdapters()) Logits().ShouldBeNear(logits[PeftModel.Base]);   // merged or not
            // What is active now, one of those that the other threads activate.
            var seen = Logits();
            logits.Values.Min(each => seen.Difference(each)).ShouldBeLessThan(1e-3);
            counts.AddOrUpdate("pass", 1, (_, n) => n + 1);
        }

        void Swap(Random random)
        {
            Try(() => peft.HotSwap("swapped", folder[random.Next(2) == 0 ? "a0" : "a1"]));
            counts.AddOrUpdate("swap", 1, (_, n) => n + 1);
        }

        void Life(Random random)
        {
            var kind = random.Next(4);
            Try(() =>
            {
                peft.LoadAdapter(folder[$"a{kind}"], "guest");
                peft.Activate("guest");
                peft.Rename("guest", "gone");
            });
            foreach (var name in new[] { "guest", "gone" })
                while (peft.Adapters.ContainsKey(name)) Try(() => peft.Delete(name));
            Try(() => peft.Activate(random.Next(5) is var next && next < 4 ? [$"a{next}"] : []));
            counts.AddOrUpdate("life", 1, (_, n) => n + 1);
        }

        void Merge(Random random)
        {
            Thread.Sleep(50);
            scopes.EnterWriteLock();
            Try(() =>
            {
                peft.Merge();
                Thread.Sleep(5);
                peft.Unmerge();
                counts.AddOrUpdate("merge", 1, (_, n) => n + 1);
            });
            scopes.ExitWriteLock();
        }

        // Changes and scopes are refused by name while adapters are merged, merging while scopes are open.
        void Try(Action change)
        {
            try
            {
                change();
            }
            catch (PeftException exception) when (exception is NotMergeableException || exception.Message.Contains("merged", StringComparison.Ordinal) || exception.Message.Contains("is open", StringComparison.Ordinal))
            {
            }
        }

        void Unless(Func<IDisposable> open, Action work)
        {
            scopes.EnterReadLock();
            try
            {
                IDisposable? scope = null;
                Try(() => scope = open());
                if (scope is null) return;
                using (scope) work();
            }
            finally
            {
                scopes.ExitReadLock();
            }
        }
    }

    [Fact]
    public void A_generation_ends_with_the_adapter_that_it_began_with()
    {
        using var reading = Begin("a0");
        reading.MoveNext().ShouldBeTrue();
        peft.Activate("a1");
        peft.HotSwap("a0", folder["a1"]);
        peft.Rename("a0", "old");
        peft.Delete("old");
        var read = new List<int> { reading.Current };
        while (reading.MoveNext()) read.Add(reading.Current);
        Written(read, "a0");
        Written(model.Generate(Prompt, Greedy), "a1");
    }

    [Fact]
    public void Merging_in_the_middle_of_ones_own_generation_is_refused_and_waits_for_that_of_another_thread()
    {
        peft.Activate("a1");
        using (var reading = Begin("a1"))
        {
            reading.MoveNext();
            Should.Throw<PeftException>(() => peft.Merge()).Message.ShouldContain("this thread is itself");
            Should.Throw<PeftException>(() => peft.Dispose()).Message.ShouldContain("finish or dispose it");
        }
        using var begun = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        IReadOnlyList<int> read = [];
        var other = new Thread(() =>
        {
            using var reading = Begin("a1");
            var all = new List<int>();
            while (reading.MoveNext())
            {
                all.Add(reading.Current);
                begun.Set();
                go.Wait();
            }
            read = all;
        });
        other.Start();
        begun.Wait();
        var merging = new Thread(() => peft.Merge());
        merging.Start();
        go.Set();
        merging.Join();
        other.Join();
        Written(read, "a1");
        Written(model.Generate(Prompt, Greedy), "a1");
        peft.Unmerge();
    }

    [Fact]
    public async Task A_scope_belongs_to_its_flow_and_goes_along_with_what_that_starts()
    {
        peft.Activate("a0");
        using (peft.WithAdapters("a1"))
        {
            Written(await Task.Run(() => model.Generate(Prompt, Greedy)), "a1");
            Written([.. await model.GenerateTokensAsync(Prompt, Greedy).ToListAsync()], "a1");
            Task<IReadOnlyList<int>> apart;
            using (ExecutionContext.SuppressFlow()) apart = Task.Run(() => model.Generate(Prompt, Greedy));
            Written(await apart, "a0");
        }
        Written(model.Generate(Prompt, Greedy), "a0");
        string[] names = ["a0", "a1", "a2", "a3", PeftModel.Base];
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Task.Run(() =>
        {
            using var mine = peft.Rows(names[i % 5]);
            return model.Generate(Prompt, Greedy);
        })));
        for (var i = 0; i < answers.Length; i++) Written(answers[i], names[i % 5]);
    }

    [Fact]
    public void Tokens_that_were_asked_for_in_a_scope_that_has_ended_are_refused()
    {
        IEnumerable<int> late;
        using (peft.WithAdapters("a1")) late = model.GenerateTokens(Prompt, Greedy);
        Should.Throw<PeftException>(() => late.ToList()).Message.ShouldContain("WithAdapters");
    }

    [Fact]
    public void A_pass_sees_one_state_and_a_scope_inside_of_it_has_its_effect()
    {
        peft.Activate("a0");
        using (peft.Pass())
        {
            peft.Activate("a1");
            Logits().ShouldBeNear(logits["a0"]);
            using (peft.WithAdapters("a2")) Logits().ShouldBeNear(logits["a2"]);
            Logits().ShouldBeNear(logits["a0"]);
        }
        Logits().ShouldBeNear(logits["a1"]);
    }

    // The generator of random numbers is everybody's: ids are drawn once.
    private Tensor Logits()
    {
        using var _ = no_grad();
        var all = model.forward(ids);
        return all.narrow(1, all.shape[1] - 6, 6);
    }

    private IEnumerator<int> Begin(string name)
    {
        peft.Activate(name);
        return model.GenerateTokens(Prompt, Greedy).GetEnumerator();
    }

    private static string Name(Random random) => random.Next(6) switch { 4 => PeftModel.Base, 5 => "swapped", var i => $"a{i}" };

    private void Written(IReadOnlyList<int> read, params string[] possible)
        => possible.ShouldContain(tokens.First(pair => pair.Value.SequenceEqual(read)).Key);
}
