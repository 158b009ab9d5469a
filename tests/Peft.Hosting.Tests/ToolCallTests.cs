using System.ClientModel;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using OpenAI.Chat;

namespace Peft.Hosting.Tests;

/// <summary>Functions that a model calls: through the server, by OpenAI's own client, and through the chat client of the host.</summary>
public sealed class ToolCallTests : IClassFixture<Story>
{
    private const string Schema = """{"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}""";

    private static readonly ChatTool Weather = ChatTool.CreateFunctionTool("weather", "The weather of a city.", BinaryData.FromString(Schema));

    private readonly Story story;

    public ToolCallTests(Story story) => this.story = story;

    [Theory]
    [InlineData("qwen", "Let me see.")]
    [InlineData("llama3", "")]
    [InlineData("mistral", "")]
    public async Task OpenAIs_client_gets_calls_whole_and_streamed_and_sends_results_back(string format, string before)
    {
        await using var calling = await CallingServer.StartAsync(story, format);
        var client = calling.Server.Client().GetChatClient("a1");
        var options = new ChatCompletionOptions { Tools = { Weather }, ToolChoice = ChatToolChoice.CreateAutoChoice() };
        var messages = new List<OpenAI.Chat.ChatMessage> { new UserChatMessage("How is Rome?") };

        ChatCompletion called = await client.CompleteChatAsync(messages, options);
        called.FinishReason.ShouldBe(OpenAI.Chat.ChatFinishReason.ToolCalls);
        string.Concat(called.Content.Select(part => part.Text)).ShouldBe(before);
        var call = called.ToolCalls.Single();
        (call.FunctionName, Compact(call.FunctionArguments.ToString())).ShouldBe(("weather", """{"city":"Rome","days":2}"""));

        // What transformers would render from the same JSON.
        var user = JsonNode.Parse("""{"role": "user", "content": "How is Rome?"}""")!;
        calling.LastPrompt.ShouldBe(Expected(calling, user));

        var (text, names, arguments, finish) = ("", "", "", (OpenAI.Chat.ChatFinishReason?)null);
        await foreach (var update in client.CompleteChatStreamingAsync(messages, options))
        {
            text += string.Concat(update.ContentUpdate.Select(part => part.Text));
            foreach (var part in update.ToolCallUpdates)
            {
                part.Index.ShouldBe(0);
                names += part.FunctionName;
                arguments += part.FunctionArgumentsUpdate;
            }
            finish ??= update.FinishReason;
        }
        (text, names, Compact(arguments), finish).ShouldBe((before, "weather", Compact(call.FunctionArguments.ToString()), OpenAI.Chat.ChatFinishReason.ToolCalls));

        messages.AddRange([new AssistantChatMessage(called), new ToolChatMessage(call.Id, CallingServer.Result)]);
        ChatCompletion answer = await client.CompleteChatAsync(messages, options);
        (answer.Content[0].Text, answer.FinishReason).ShouldBe((CallingServer.Report, OpenAI.Chat.ChatFinishReason.Stop));
        calling.LastPrompt.ShouldBe(Expected(calling, user.DeepClone(),
            Parse("""{"role": "assistant", "content": "BEFORE", "tool_calls": [{"type": "function", "id": "ID", "function": {"name": "weather", "arguments": {"city": "Rome", "days": 2}}}]}"""),
            Parse("""{"role": "tool", "content": "21 degrees", "tool_call_id": "ID", "name": "weather"}""")));

        // Without tools, and with tools that the model must not call, the same text is an answer.
        foreach (var none in new[] { new ChatCompletionOptions(), new ChatCompletionOptions { Tools = { Weather }, ToolChoice = ChatToolChoice.CreateNoneChoice() } })
        {
            ChatCompletion plain = await client.CompleteChatAsync([new UserChatMessage("How is Rome?")], none);
            plain.ToolCalls.ShouldBeEmpty();
            plain.Content[0].Text.ShouldContain("\"name\": \"weather\"");
        }

        JsonNode Parse(string text) => JsonNode.Parse(text.Replace("BEFORE", before, StringComparison.Ordinal).Replace("ID", call.Id, StringComparison.Ordinal))!;
    }

    [Theory]
    [InlineData("qwen")]
    [InlineData("llama3")]
    [InlineData("mistral")]
    public async Task The_hosts_chat_client_runs_functions(string format)
    {
        await using var calling = await CallingServer.StartAsync(story, format);
        var asked = new List<string>();
        var weather = AIFunctionFactory.Create((string city, int days) =>
        {
            asked.Add($"{city} {days}");
            return CallingServer.Result;
        }, "weather", "The weather of a city.");
        using var client = calling.Server.Services.GetRequiredKeyedService<IChatClient>("a2").AsBuilder().UseFunctionInvocation().Build();
        var options = new ChatOptions { Tools = [weather] };
        (await client.GetResponseAsync("How is Rome?", options)).Messages[^1].Text.ShouldBe(CallingServer.Report);
        var streamed = await client.GetStreamingResponseAsync("How is Rome?", options).ToChatResponseAsync();
        streamed.Messages[^1].Text.ShouldBe(CallingServer.Report);
        asked.ShouldBe(["Rome 2", "Rome 2"]);
    }

    [Fact]
    public async Task A_model_whose_template_renders_no_tools_refuses_them()
    {
        await using var server = await RunningServer.StartAsync(story);
        var refused = await Should.ThrowAsync<ClientResultException>(async () => await server.Client().GetChatClient("a1").CompleteChatAsync([new UserChatMessage("Hi")], new ChatCompletionOptions { Tools = { Weather } }));
        refused.Status.ShouldBe(400);
        refused.Message.ShouldContain("the chat template does not render any");
        var client = server.Services.GetRequiredService<IChatClient>();
        var tool = AIFunctionFactory.Create(() => 1, "one");
        (await Should.ThrowAsync<ChatTemplateException>(() => client.GetResponseAsync("Hi", new() { Tools = [tool] }))).Message.ShouldContain("set a template that writes the variable 'tools'");
        (await client.GetResponseAsync("Hi", new() { Tools = [tool], ToolMode = ChatToolMode.None, MaxOutputTokens = 3 })).Usage!.OutputTokenCount.ShouldBe(3);
    }

    [Fact]
    public async Task What_cannot_be_promised_or_read_is_refused()
    {
        await using var calling = await CallingServer.StartAsync(story, "qwen");
        object user = new { role = "user", content = "Hi" };
        object weather = new { type = "function", function = new { name = "weather", parameters = JsonNode.Parse(Schema) } };
        await Refused("cannot be forced to call a tool", new { messages = new[] { user }, tools = new[] { weather }, tool_choice = "required" });
        await Refused("cannot be forced to call a tool", new { messages = new[] { user }, tools = new[] { weather }, tool_choice = new { type = "function", function = new { name = "weather" } } });
        await Refused("tool_choice is 'auto' or 'none'", new { messages = new[] { user }, tools = new[] { weather }, tool_choice = "sometimes" });
        await Refused("cannot be limited to one tool call", new { messages = new[] { user }, tools = new[] { weather }, parallel_tool_calls = false });
        await Refused("'weather' is strict", new { messages = new[] { user }, tools = new[] { new { type = "function", function = new { name = "weather", strict = true } } } });
        await Refused("A tool is {", new { messages = new[] { user }, tools = new[] { new { type = "web_search" } } });
        await Refused("has no tool_call_id", new { messages = new[] { user, new { role = "tool", content = "21" } } });
        await Refused("'c' are not the text of a JSON object", new { messages = new[] { user, new { role = "assistant", tool_calls = new[] { new { id = "c", type = "function", function = new { name = "weather", arguments = "[" } } } } } });
        await Refused("A tool call is {", new { messages = new[] { user, new { role = "assistant", tool_calls = new[] { new { type = "function" } } } } });

        async Task Refused(string message, object body)
        {
            var (status, answer) = await calling.Server.PostAsync("/v1/chat/completions", body);
            status.ShouldBe(400, $"{answer}");
            ((string)answer["error"]!["message"]!).ShouldContain(message);
        }
    }

    private static IReadOnlyList<int> Expected(CallingServer calling, params JsonNode[] messages)
    {
        var tool = new JsonObject { ["type"] = "function", ["function"] = new JsonObject { ["name"] = "weather", ["description"] = "The weather of a city.", ["parameters"] = JsonNode.Parse(Schema) } };
        var variables = new Dictionary<string, object?> { ["tools"] = new JsonArray(tool) };
        return calling.Tokenizer.ApplyChatTemplate(new JsonArray(messages), new() { AddGenerationPrompt = true, Variables = variables }).Ids;
    }

    private static string Compact(string json) => JsonNode.Parse(json)!.ToJsonString();
}
