using Microsoft.Extensions.AI;
using static TorchSharp.torch;

namespace Peft.Models.Tests.Generation.Serving;

/// <summary>Requests that share a batch get the tokens that they get alone.</summary>
public sealed class ContinuousBatchingTests : IDisposable
{
    private readonly CausalLM model = CausalLM.FromPretrained(Reference.Stories);
    private readonly PeftModel peft;
    private static readonly string?[] Names = [null, PeftModel.Base, "a0", "a1", "a2", "a3", "alone"];

    public ContinuousBatchingTests()
    {
        peft = new PeftModel(model);
        for (var i = 0; i < 4; i++) Add("a" + i, new LoraOptions { Rank = 2 + i, TargetModules = "all-linear" }, i);
        // Its layers depend on the whole batch, so that it cannot be shared.
        Add("alone", new LilyOptions { Rank = 2, TargetModules = "all-linear" }, 9);
        peft.Activate("a3");
    }

    public void Dispose()
    {
        peft.Dispose();
        model.Dispose();
    }

    private void Add(string name, AdapterOptions options, int seed)
    {
        peft.Add(name, options);
        peft.Activate(name);
        peft.Shake(0.15, seed: seed);
    }

    private static (int[] Prompt, GenerationOptions Options, string? Adapter) Request(int i) => (
        [1, .. Enumerable.Range(0, 1 + i * 7 % 23).Select(k => 3 + (i * 31 + k * 17) % 500)],
        (i % 4) switch
        {
            0 => new() { MaxNewTokens = 8 + i % 13, DoSample = false },
            1 => new() { MaxNewTokens = 20, DoSample = true, Seed = i, Temperature = 0.8, TopP = 0.9 },
            2 => new() { MaxNewTokens = 5 + i % 7, DoSample = true, Seed = 100 + i, TopK = 0 },
            _ => new() { MaxNewTokens = 25, DoSample = false, RepetitionPenalty = 1.3, EndTokenIds = [i % 500, 2] },
        },
        Names[i % Names.Length]);

    private int[] Alone((int[] Prompt, GenerationOptions Options, string? Adapter) request)
    {
        if (request.Adapter is null) return [.. model.GenerateTokens(request.Prompt, request.Options)];
        using var own = peft.WithAdapters(request.Adapter);
        return [.. model.GenerateTokens(request.Prompt, request.Options)];
    }

    private static async Task<int[]> All(IAsyncEnumerable<int> tokens)
    {
        var all = new List<int>();
        await foreach (var token in tokens) all.Add(token);
        return [.. all];
    }

    [Fact]
    public async Task Requests_of_many_adapters_that_join_in_the_middle_get_the_tokens_they_get_alone()
    {
        var requests = Enumerable.Range(0, 56).Select(Request).ToArray();
        var expected = requests.Select(Alone).ToArray();
        using var batcher = new ContinuousBatcher(model, new() { MaxBatchSize = 8 });
        var running = new List<Task<int[]>>();
        foreach (var request in requests)
        {
            running.Add(All(batcher.GenerateTokensAsync(request.Prompt, request.Options, request.Adapter)));
            if (running.Count % 5 == 0) await Task.Delay(3);
        }
        var got = await Task.WhenAll(running);
        for (var i = 0; i < got.Length; i++) got[i].ShouldBe(expected[i], $"request {i}, {requests[i].Adapter}");
        batcher.Statistics.MeanBatchSize.ShouldBeGreaterThan(2);
        batcher.Statistics.Tokens.ShouldBe(expected.Sum(each => each.Length));
        (batcher.Statistics.Running, batcher.Statistics.Waiting).ShouldBe((0, 0));
    }

    [Fact]
    public async Task A_running_request_keeps_its_adapter_when_it_is_deleted()
    {
        var options = new GenerationOptions { MaxNewTokens = 100, DoSample = false, EndTokenIds = [] };
        var expected = Alone(([1, 5, 9], options, "a1"));
        using var batcher = new ContinuousBatcher(model);
        await using var tokens = batcher.GenerateTokensAsync([1, 5, 9], options, "a1").GetAsyncEnumerator();
        var waiting = batcher.GenerateTokensAsync([1, 5, 9], options, "a1");
        (await tokens.MoveNextAsync()).ShouldBeTrue();
        peft.Delete("a1");
        Should.Throw<AdapterNotFoundException>(() => batcher.GenerateTokensAsync([1, 5, 9], options, "a1"));
        var got = new List<int> { tokens.Current };
        while (await tokens.MoveNextAsync()) got.Add(tokens.Current);
        got.ShouldBe(expected);
        (await All(waiting)).ShouldBe(expected);
    }

    [Fact]
    public async Task A_cancelled_request_leaves_the_batch_and_the_others_go_on()
    {
        using var stop = new CancellationTokenSource();
        var request = Request(0);
        using var batcher = new ContinuousBatcher(model);
        var endless = new GenerationOptions { MaxNewTokens = 8000, DoSample = false, EndTokenIds = [] };
        var cancelled = All(batcher.GenerateTokensAsync([1, 7], endless, "a0", stop.Token));
        (await All(batcher.GenerateTokensAsync(request.Prompt, request.Options, request.Adapter))).ShouldBe(Alone(request));
        cancelled.IsCompleted.ShouldBeFalse();
        await stop.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(async () => await cancelled);
        // A reader that stops cancels, too.
        await foreach (var _ in batcher.GenerateTokensAsync([1, 7], endless, "a0")) break;
        for (var i = 0; i < 1000 && batcher.Statistics.Running > 0; i++) await Task.Delay(10);
        batcher.Statistics.Running.ShouldBe(0);
    }

    [Fact]
    public async Task A_full_queue_and_a_request_that_never_fits_are_refused_by_name()
    {
        using var batcher = new ContinuousBatcher(model, new() { MaxBatchSize = 1, MaxQueueLength = 2, MaxTokens = 4000 });
        var options = new GenerationOptions { MaxNewTokens = 3000, DoSample = false, EndTokenIds = [] };
        Should.Throw<RequestTooLargeException>(() => batcher.GenerateTokensAsync([1], options with { MaxNewTokens = 4000 })).Message.ShouldContain("MaxTokens is 4000");
        using var resume = new ManualResetEventSlim();
        await using var first = batcher.GenerateTokensAsync([1], options with { LogitsProcessors = [new Paused(resume)] }).GetAsyncEnumerator();
        (await first.MoveNextAsync()).ShouldBeTrue();
        var waiting = new[] { batcher.GenerateTokensAsync([1], options), batcher.GenerateTokensAsync([1], options) };
        Should.Throw<QueueFullException>(() => batcher.GenerateTokensAsync([1], options)).Message.ShouldContain("2 requests are already waiting");
        var disposal = Task.Run(batcher.Dispose);
        while (Should.Throw<Exception>(() => batcher.GenerateTokensAsync([1], options)) is QueueFullException) await Task.Yield();
        resume.Set();
        await disposal;
        foreach (var each in waiting) await Should.ThrowAsync<ObjectDisposedException>(All(each));
        Should.Throw<ObjectDisposedException>(() => batcher.GenerateTokensAsync([1], options));
    }

    // Stops a run after its first token.
    private sealed class Paused(ManualResetEventSlim resume) : ILogitsProcessor
    {
        private bool began;

        public Tensor Process(LogitsContext context, Tensor scores)
        {
            if (began) resume.Wait(TimeSpan.FromMinutes(1));   // so that a test that fails ends
            began = true;
            return scores;
        }
    }

    [Fact]
    public async Task A_broken_adapter_fails_its_own_requests_only()
    {
        using (no_grad())
            foreach (var (_, tensor) in peft.Adapters["a2"].Tensors) tensor.Value.fill_(double.NaN);
        using var batcher = new ContinuousBatcher(model);
        var options = new GenerationOptions { MaxNewTokens = 40, DoSample = false, EndTokenIds = [] };
        var good = All(batcher.GenerateTokensAsync([1, 5], options, "a0"));
        await Should.ThrowAsync<GenerationException>(All(batcher.GenerateTokensAsync([1, 5], options, "a2")));
        await Should.ThrowAsync<ArgumentException>(All(batcher.GenerateTokensAsync([1, 99_999], options, "a0")));
        (await good).ShouldBe(Alone(([1, 5], options, "a0")));
    }

    [Fact]
    public async Task An_invalid_prompt_among_those_that_are_read_together_fails_alone()
    {
        var options = new GenerationOptions { MaxNewTokens = 6, DoSample = false, EndTokenIds = [] };
        (int[] Prompt, string Adapter)[] asked = [([1, 5, 9], "a0"), ([1, 99_999, 9], "a1"), ([1, 7, 300, 12], "a2"), ([1, 8], "a0")];
        using var batch = new RowBatch(model);
        var requests = asked.Select(each => new ServedRequest(model, each.Prompt, TextGeneration.StreamSettings(model, options), scope: null, default) { Adapter = peft.Adapters[each.Adapter] }).ToList();
        batch.Join(requests);
        batch.IsBroken.ShouldBeFalse();
        batch.Rows.ShouldBe(requests.Where(request => request != requests[1]), ignoreOrder: true);
        while (batch.Rows.Count > 0)
        {
            batch.Step();
            foreach (var request in batch.Rows.Where(row => row.HasEnded)) request.End();
            batch.Leave();
        }
        (await Should.ThrowAsync<ArgumentException>(All(requests[1].Tokens.ReadAllAsync()))).Message.ShouldContain("99999");
        foreach (var i in new[] { 0, 2, 3 }) (await All(requests[i].Tokens.ReadAllAsync())).ShouldBe(Alone((asked[i].Prompt, options, asked[i].Adapter)));
    }

    [Fact]
    public async Task Chat_clients_of_a_batcher_answer_as_those_of_the_model()
    {
        var tokenizer = Tokenizer.FromPretrained(Reference.Stories);
        tokenizer.ChatTemplate = ChatTemplate.Parse("{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}");
        using var batcher = new ContinuousBatcher(model);
        using var alone = model.AsChatClient(tokenizer);
        using var shared = batcher.AsChatClient(tokenizer);
        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(async i =>
        {
            var (question, options) = ($"Once upon a time number {i}", new ChatOptions { ModelId = "a" + i % 4, MaxOutputTokens = 20, Temperature = i % 2, Seed = i, StopSequences = ["."] });
            return (await shared.GetResponseAsync(question, options), await alone.GetResponseAsync(question, options));
        }));
        foreach (var (got, expected) in answers) (got.Text, got.FinishReason, got.Usage?.OutputTokenCount).ShouldBe((expected.Text, expected.FinishReason, expected.Usage?.OutputTokenCount));
    }

    [Fact]
    public async Task A_change_that_waits_for_passes_gets_its_turn_while_requests_keep_coming()
    {
        peft.Add("narrow", new LoraOptions { Rank = 2, TargetModules = ["q_proj"] });
        foreach (var name in peft.Adapters.Keys.Where(name => name != "narrow").ToList()) peft.Delete(name);
        var request = Request(3) with { Adapter = PeftModel.Base };
        var expected = Alone(request);
        using var batcher = new ContinuousBatcher(model, new() { MaxBatchSize = 4 });
        using var done = new CancellationTokenSource();
        var clients = Enumerable.Range(0, 6).Select(_ => Task.Run(async () =>
        {
            while (!done.IsCancellationRequested) (await All(batcher.GenerateTokensAsync(request.Prompt, request.Options, request.Adapter))).ShouldBe(expected);
        })).ToArray();
        // Each attaches to modules without an adapter, which waits for running passes.
        foreach (var (name, module) in new[] { ("k", "k_proj"), ("up", "up_proj"), ("down", "down_proj") })
            await Task.Run(() => peft.Add(name, new LoraOptions { Rank = 2, TargetModules = [module] })).WaitAsync(TimeSpan.FromMinutes(1));
        await done.CancelAsync();
        await Task.WhenAll(clients).WaitAsync(TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task Unloading_waits_for_requests_that_run_and_later_ones_use_the_base_model()
    {
        var options = new GenerationOptions { MaxNewTokens = 300, DoSample = false, EndTokenIds = [] };
        var expected = Alone(([1, 5, 9], options, "a1"));
        var bare = Alone(([1, 5, 9], options, PeftModel.Base));
        using var batcher = new ContinuousBatcher(model);
        var running = All(batcher.GenerateTokensAsync([1, 5, 9], options, "a1"));
        for (var i = 0; i < 3000 && batcher.Statistics.Running == 0; i++) await Task.Delay(1);
        await Task.Run(peft.Unload).WaitAsync(TimeSpan.FromMinutes(1));
        (await running).ShouldBe(expected);
        (await All(batcher.GenerateTokensAsync([1, 5, 9], options))).ShouldBe(bare);
    }

    [Fact]
    public async Task A_failure_outside_of_a_forward_pass_fails_the_requests_and_the_next_ones_run()
    {
        var request = Request(0);
        var expected = Alone(request);
        using var batcher = new ContinuousBatcher(model);
        using (var listener = new System.Diagnostics.Metrics.MeterListener())
        {
            listener.InstrumentPublished = (instrument, each) =>
            {
                if (instrument.Name == "peft.server.batch_size") each.EnableMeasurementEvents(instrument);
            };
            listener.SetMeasurementEventCallback<int>((_, _, _, _) => throw new InvalidOperationException("in a listener"));
            listener.Start();
            await Should.ThrowAsync<InvalidOperationException>(All(batcher.GenerateTokensAsync(request.Prompt, request.Options, request.Adapter)));
        }
        (await All(batcher.GenerateTokensAsync(request.Prompt, request.Options, request.Adapter))).ShouldBe(expected);
        // An answer ends a moment before its request leaves.
        for (var i = 0; i < 3000 && batcher.Statistics.Running > 0; i++) await Task.Delay(1);
        batcher.Statistics.Running.ShouldBe(0);
    }

    [Fact]
    public async Task Thousands_of_requests_that_join_and_leave_keep_no_memory()
    {
        using var batcher = new ContinuousBatcher(model, new() { MaxBatchSize = 8 });
        await Rounds(500);
        var before = (Tensors: TorchSharp.torch.Tensor.TotalCount, Resident: Resident());
        await Rounds(3000);
        (TorchSharp.torch.Tensor.TotalCount - before.Tensors).ShouldBeLessThanOrEqualTo(0);
        // What allocators keep varies; a KV cache kept for each request would be some 60 MB.
        (Resident() - before.Resident).ShouldBeLessThan(40L << 20);

        async Task Rounds(int count)
        {
            var (next, clients) = (0, new List<Task>());
            for (var client = 0; client < 12; client++)
                clients.Add(Task.Run(async () =>
                {
                    while (Interlocked.Increment(ref next) is var i && i <= count)
                        (await All(batcher.GenerateTokensAsync([1, 3 + i % 400, 5], new() { MaxNewTokens = 1 + i % 4, DoSample = i % 2 == 0, Seed = i, EndTokenIds = [] }, Names[i % 6]))).Length.ShouldBe(1 + i % 4);
                }));
            await Task.WhenAll(clients);
        }

        static long Resident()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            using var here = System.Diagnostics.Process.GetCurrentProcess();
            return here.WorkingSet64;
        }
    }
}
