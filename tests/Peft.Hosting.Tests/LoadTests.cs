using Microsoft.Extensions.DependencyInjection;
using OpenAI.Chat;

namespace Peft.Hosting.Tests;

/// <summary>Many clients at once: what they get depends on their adapter alone.</summary>
public sealed class LoadTests : IDisposable
{
    private readonly Story story = new();

    public void Dispose() => story.Dispose();

    private static async Task<string> Ask(RunningServer server, string model, string question, int tokens)
    {
        ChatCompletion answer = await server.Client().GetChatClient(model).CompleteChatAsync([new UserChatMessage(question)], new ChatCompletionOptions { MaxOutputTokenCount = tokens, Temperature = 0 });
        return answer.Content[0].Text;
    }

    [Fact]
    public async Task Sixteen_clients_of_eight_adapters_share_passes_and_each_gets_its_own_answer()
    {
        var requests = Enumerable.Range(0, 16 * 8).Select(i => (Client: i / 8, Model: Story.Names[(i + i / 8) % 8], Question: $"Tom number {i % 5} said", Tokens: 10 + i % 11)).ToList();
        var expected = requests.ToDictionary(each => each, each => story.Answer(each.Question, each.Model, each.Tokens));
        await using var server = await RunningServer.StartAsync(story);
        await Task.WhenAll(requests.GroupBy(each => each.Client).Select(client => Task.Run(async () =>
        {
            foreach (var each in client) (await Ask(server, each.Model, each.Question, each.Tokens)).ShouldBe(expected[each], $"{each}");
        })));
        server.Batcher.Statistics.MeanBatchSize.ShouldBeGreaterThan(3);
        (await server.IdleAsync()).ShouldBeTrue();
    }

    [Fact]
    public async Task A_hundred_swaps_lose_no_request_and_each_answer_is_that_of_the_old_or_the_new_adapter()
    {
        const int Tokens = 12;
        string[] possible = [story.Answer("The cat", "a0", Tokens), story.Answer("The cat", "a0-new", Tokens)];
        possible[0].ShouldNotBe(possible[1]);
        var other = story.Answer("The cat", "a1", Tokens);
        await using var server = await RunningServer.StartAsync(story);
        using var done = new CancellationTokenSource();
        var seen = new int[2];
        var clients = Enumerable.Range(0, 6).Select(i => Task.Run(async () =>
        {
            for (var n = 0; n == 0 || !done.IsCancellationRequested; n++)
            {
                var answer = await Ask(server, i < 4 ? "a0" : "a1", "The cat", Tokens);
                if (i >= 4) answer.ShouldBe(other);
                else Interlocked.Increment(ref seen[Array.IndexOf(possible, answer)]);
            }
        })).ToArray();
        var adapters = server.Services.GetRequiredService<AdapterManager>();
        for (var swap = 0; swap < 100; swap++)
        {
            await Task.Run(() => adapters.Swap("a0", swap % 2 == 0 ? "a0-new" : "a0"));
            // What is asked after a swap is answered by the new adapter.
            if (swap % 20 < 2) (await Ask(server, "a0", "The cat", Tokens)).ShouldBe(possible[1 - (swap % 2)]);
        }
        await done.CancelAsync();
        await Task.WhenAll(clients);
        seen.Sum().ShouldBeGreaterThanOrEqualTo(4, "each client had an answer");
    }

    [Fact]
    public async Task A_full_queue_is_answered_with_429_and_the_others_are_answered()
    {
        const int Queue = 2;
        await using var server = await RunningServer.StartAsync(story, "--Peft:Batching:MaxBatchSize=1", $"--Peft:Batching:MaxQueueLength={Queue}");
        var expected = story.Answer("A dog", "a2", 150);
        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => server.PostAsync("/v1/chat/completions", new { model = "a2", messages = new[] { new { role = "user", content = "A dog" } }, max_tokens = 150, temperature = 0 })));
        foreach (var (status, body) in answers)
        {
            if (status == 429) ((string)body["error"]!["code"]!).ShouldBe("queue_full");
            else ((string)body["choices"]![0]!["message"]!["content"]!).ShouldBe(expected);
        }
        answers.Count(each => each.Status == 429).ShouldBeGreaterThan(0);
        answers.Count(each => each.Status == 200).ShouldBeGreaterThanOrEqualTo(Queue);   // all may come before the first is taken out of the queue
    }

    [Fact]
    public async Task A_key_that_asks_too_often_is_answered_with_429()
    {
        await using var server = await RunningServer.StartAsync(story, "--Server:RequestsPerMinute=3");
        var answers = new List<int>();
        for (var i = 0; i < 5; i++) answers.Add((int)(await server.Http.GetAsync("/v1/models")).StatusCode);
        answers.Count(each => each == 200).ShouldBeLessThanOrEqualTo(3);
        answers.ShouldContain(429);
        (await server.Http.GetAsync("/health")).IsSuccessStatusCode.ShouldBeTrue();
    }
}
