using System.ClientModel;
using System.Net.Http.Json;
using System.Text;
using OpenAI.Chat;

namespace Peft.Hosting.Tests;

/// <summary>OpenAI's client and plain requests get from the server what the model answers alone.</summary>
public sealed class ServerTests(ServerTests.Running running) : IClassFixture<ServerTests.Running>
{
    private const string Question = "Once upon a time";

    public sealed class Running : IAsyncLifetime
    {
        public Story Story { get; } = new();

        public RunningServer Server { get; private set; } = null!;

        public async Task InitializeAsync() => Server = await RunningServer.StartAsync(Story, "--Peft:Batching:MaxTokens=4096", "--Server:MaxRequestBytes=100000");

        public async Task DisposeAsync()
        {
            await Server.DisposeAsync();
            Story.Dispose();
        }
    }

    private RunningServer Server => running.Server;

    private Story Story => running.Story;

    private static object Body(string? model = null, int tokens = 20, bool stream = false) => new { model, messages = new[] { new { role = "user", content = Question } }, max_tokens = tokens, temperature = 0, stream };

    [Theory]
    [InlineData("stories260K", 0f)]
    [InlineData("a3", 0f)]
    [InlineData("a5", 0.9f)]
    public async Task An_answer_of_OpenAIs_client_is_that_of_the_adapter_alone_whole_and_streamed(string model, float temperature)
    {
        var expected = Story.Answer(Question, model == "stories260K" ? null : model, 40, temperature, seed: 7);
        var client = Server.Client().GetChatClient(model);
#pragma warning disable OPENAI001
        var options = new ChatCompletionOptions { MaxOutputTokenCount = 40, Temperature = temperature, Seed = 7 };
#pragma warning restore OPENAI001
        ChatCompletion whole = await client.CompleteChatAsync([new UserChatMessage(Question)], options);
        whole.Content[0].Text.ShouldBe(expected);
        (whole.Model, whole.FinishReason, whole.Usage.OutputTokenCount).ShouldBe((model, ChatFinishReason.Length, 40));
        var (text, finish, usage) = (new StringBuilder(), (ChatFinishReason?)null, 0);
        await foreach (var update in client.CompleteChatStreamingAsync([new UserChatMessage(Question)], options))
        {
            foreach (var part in update.ContentUpdate) text.Append(part.Text);
            finish ??= update.FinishReason;
            usage += update.Usage?.OutputTokenCount ?? 0;
        }
        text.ToString().ShouldBe(expected);
        (finish, usage).ShouldBe((ChatFinishReason.Length, 40));
    }

    [Fact]
    public async Task Models_are_the_base_and_its_adapters()
    {
        var models = await Server.Client().GetOpenAIModelClient().GetModelsAsync();
        models.Value.Select(each => each.Id).Where(each => !each.EndsWith("-new", StringComparison.Ordinal)).ShouldBe([.. Story.Names.Prepend("stories260K")]);
        (await Server.Client().GetOpenAIModelClient().GetModelAsync("a2")).Value.Id.ShouldBe("a2");
    }

    [Fact]
    public async Task Embeddings_are_those_of_the_model_as_numbers_and_as_base64()
    {
        var client = Server.Client().GetEmbeddingClient("a1");
        var found = await client.GenerateEmbeddingsAsync([Question, "The end."]);
        found.Value[0].ToFloats().ToArray().ShouldBe(Story.Embedding(Question, "a1"), 1e-4);
        found.Value[1].ToFloats().ToArray().ShouldBe(Story.Embedding("The end.", "a1"), 1e-4);
        var (status, body) = await Server.PostAsync("/v1/embeddings", new { model = "a1", input = Question });
        status.ShouldBe(200);
        body["data"]![0]!["embedding"]!.AsArray().Select(each => (float)each!).ToArray().ShouldBe(Story.Embedding(Question, "a1"), 1e-4);
    }

    [Fact]
    public async Task A_completion_continues_the_text_whole_and_streamed_up_to_a_stop_string()
    {
        // The template of the tests is the text with the first token, so that both are the same.
        var expected = Story.Answer(Question, "a4", 60);
        var stop = expected[30..33];
        var request = new { model = "a4", prompt = Question, max_tokens = 60, temperature = 0 };
        var (_, whole) = await Server.PostAsync("/v1/completions", request);
        ((string)whole["choices"]![0]!["text"]!).ShouldBe(expected);
        ((int)whole["usage"]!["completion_tokens"]!).ShouldBe(60);
        var (_, cut) = await Server.PostAsync("/v1/completions", new { request.model, request.prompt, request.max_tokens, request.temperature, stop });
        ((string)cut["choices"]![0]!["text"]!).ShouldBe(expected[..expected.IndexOf(stop, StringComparison.Ordinal)]);
        ((string)cut["choices"]![0]!["finish_reason"]!).ShouldBe("stop");
        using var answer = await Server.Http.PostAsJsonAsync("/v1/completions", new { request.model, request.prompt, request.max_tokens, request.temperature, stream = true });
        answer.Content.Headers.ContentType!.MediaType.ShouldBe("text/event-stream");
        var lines = (await answer.Content.ReadAsStringAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line["data: ".Length..]).ToList();
        lines[^1].ShouldBe("[DONE]");
        string.Concat(lines.SkipLast(1).Select(line => (string)System.Text.Json.Nodes.JsonNode.Parse(line)!["choices"]![0]!["text"]!)).ShouldBe(expected);
    }

    [Fact]
    public async Task Content_may_be_a_list_of_texts()
    {
        var parts = new[] { new { type = "text", text = "Once upon" }, new { type = "text", text = " a time" } };
        var (status, body) = await Server.PostAsync("/v1/chat/completions", new { model = "a0", messages = new[] { new { role = "user", content = parts } }, max_completion_tokens = 15, temperature = 0 });
        status.ShouldBe(200);
        ((string)body["choices"]![0]!["message"]!["content"]!).ShouldBe(Story.Answer(Question, "a0", 15));
    }

    [Fact]
    public async Task Errors_have_OpenAIs_form_and_say_what_is_wrong()
    {
        await Check("/v1/chat/completions", Body("unknown"), 404, "model_not_found", "no model 'unknown'");
        await Check("/v1/chat/completions", Body("unknown", stream: true), 404, "model_not_found", "no model 'unknown'");
        await Check("/v1/chat/completions", Body("a0", tokens: 5000), 400, "context_length_exceeded", "MaxTokens is 4096");
        await Check("/v1/chat/completions", Body("a0", tokens: 5000, stream: true), 400, "context_length_exceeded", "MaxTokens is 4096");
        await Check("/v1/completions", new { model = "unknown", prompt = "a" }, 404, "model_not_found", "no model 'unknown'");
        await Check("/v1/completions", new { prompt = new[] { "a", "b" } }, 400, null, "one text");
        await Check("/v1/embeddings", new { input = 7 }, 400, null, "a list of texts");
        await Check("/v1/chat/completions", new { messages = Array.Empty<object>() }, 400, null, "messages is empty");
        await Check("/v1/chat/completions", new { messages = "text" }, 400, null, "messages");
        await Check("/v1/chat/completions", new { messages = new[] { new { role = "user", content = "a" } }, n = 2 }, 400, null, "n is 2");
        await Check("/v1/chat/completions", new { messages = new[] { new { role = "user", content = "a" } }, stop = 5 }, 400, null, "stop is a text");
        await Check("/v1/chat/completions", new { messages = new[] { new { role = "user", content = "a" } }, response_format = new { type = "json_object" } }, 400, null, "'response_format' is not supported");
        await Check("/v1/completions", new { prompt = "a", echo = true }, 400, null, "'echo' is not supported");
        await Check("/v1/nothing", new { }, 404, null, "Not Found: POST /v1/nothing");
        await Check("/v1/completions", new { prompt = new string('a', 200_000) }, 413, null, "");
        using (var text = await Server.Http.PostAsync("/v1/completions", new StringContent("a text")))
        {
            ((int)text.StatusCode).ShouldBe(415);
            (await text.Content.ReadAsStringAsync()).ShouldContain("Unsupported Media Type");
        }

        async Task Check(string path, object body, int status, string? code, string message)
        {
            var (got, answer) = await Server.PostAsync(path, body);
            got.ShouldBe(status, $"{path}: {answer}");
            ((string?)answer["error"]!["code"]).ShouldBe(code);
            ((string)answer["error"]!["message"]!).ShouldContain(message);
            ((string)answer["error"]!["type"]!).ShouldNotBeEmpty();
        }
    }

    [Fact]
    public async Task A_wrong_key_is_refused_and_a_key_of_a_user_changes_no_adapters()
    {
        var refused = await Should.ThrowAsync<ClientResultException>(async () => await Server.Client("wrong").GetChatClient("a0").CompleteChatAsync([new UserChatMessage("Hi")]));
        refused.Status.ShouldBe(401);
        refused.Message.ShouldContain("invalid_api_key");
        using var user = new HttpClient { BaseAddress = Server.Http.BaseAddress };
        (await user.GetAsync("/v1/models")).StatusCode.ShouldBe(System.Net.HttpStatusCode.Unauthorized);
        (await user.GetAsync("/health")).StatusCode.ShouldBe(System.Net.HttpStatusCode.OK);
        user.DefaultRequestHeaders.Authorization = new("Bearer", "key");
        (await user.PostAsJsonAsync("/v1/unload_lora_adapter", new { lora_name = "a7" })).StatusCode.ShouldBe(System.Net.HttpStatusCode.Forbidden);
        (await user.PostAsJsonAsync("/V1/UNLOAD_LORA_ADAPTER/", new { lora_name = "a7" })).StatusCode.ShouldBe(System.Net.HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task Adapters_are_loaded_replaced_and_unloaded_by_vLLMs_requests()
    {
        (await Server.PostAsync("/v1/load_lora_adapter", new { lora_name = "x-new", lora_path = "a0-new" })).Status.ShouldBe(200);
        (await Answer("x-new")).ShouldBe(Story.Answer(Question, "a0-new", 20));
        var (status, body) = await Server.PostAsync("/v1/load_lora_adapter", new { lora_name = "x-new", lora_path = "a1-new" });
        (status, (string)body["error"]!["code"]!).ShouldBe((400, "adapter_refused"));
        (await Server.PostAsync("/v1/load_lora_adapter", new { lora_name = "x-new", lora_path = Path.Combine(Story.Adapters, "a1-new"), load_inplace = true })).Status.ShouldBe(200);
        (await Answer("x-new")).ShouldBe(Story.Answer(Question, "a1-new", 20));
        (await Server.PostAsync("/v1/unload_lora_adapter", new { lora_name = "x-new" })).Status.ShouldBe(200);
        (await Server.PostAsync("/v1/chat/completions", Body("x-new"))).Status.ShouldBe(404);
        (await Server.PostAsync("/v1/unload_lora_adapter", new { lora_name = "x-new" })).Status.ShouldBe(404);

        async Task<string> Answer(string model) => (string)(await Server.PostAsync("/v1/chat/completions", Body(model))).Body["choices"]![0]!["message"]!["content"]!;
    }

    [Fact]
    public async Task Clients_that_go_away_end_their_requests()
    {
        const int Clients = 32;
        var before = Server.Batcher.Statistics.Tokens;
        using (var stop = new CancellationTokenSource())
        {
            var requests = Enumerable.Range(0, Clients).Select(_ => new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = JsonContent.Create(Body("a0", 4000, stream: true)) }).ToList();
            var answers = requests.Select(request => Server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stop.Token)).ToList();
            (await await Task.WhenAny(answers)).EnsureSuccessStatusCode();
            // An answer may begin while its request is still waiting.
            for (var turn = 0; Server.Batcher.Statistics.Running == 0 && turn < 2000; turn++) await Task.Delay(1);
            Server.Batcher.Statistics.Running.ShouldBeGreaterThan(0);
            await stop.CancelAsync();
            foreach (var answer in answers)
                try
                {
                    (await answer).Dispose();
                }
                catch (OperationCanceledException) { }
            requests.ForEach(request => request.Dispose());
        }
        (await Server.IdleAsync()).ShouldBeTrue();
        // Each would have filled the model's 512 positions.
        (Server.Batcher.Statistics.Tokens - before).ShouldBeLessThan(Clients * 256);
    }

    [Fact]
    public async Task Health_and_metrics_are_served()
    {
        await Server.PostAsync("/v1/chat/completions", Body("a0", 5));
        (await Server.Http.GetStringAsync("/health")).ShouldBe("Healthy");
        var metrics = await Server.Http.GetStringAsync("/metrics");
        foreach (var name in new[] { "gen_ai_client_operation_duration", "gen_ai_client_token_usage", "gen_ai_server_time_to_first_token", "peft_server_queue_length" }) metrics.ShouldContain(name);
    }
}
