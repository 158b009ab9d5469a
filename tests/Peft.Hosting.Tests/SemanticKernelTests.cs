using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.Connectors.OpenAI;

namespace Peft.Hosting.Tests;

/// <summary>Semantic Kernel gets what the model answers alone: by its OpenAI connector from the server, and by the chat client of the host.</summary>
public sealed class SemanticKernelTests(Story story) : IClassFixture<Story>
{
    public enum Way
    {
        /// <summary>The OpenAI connector, pointed at the server.</summary>
        Server,

        /// <summary>The chat client as a service of the kernel.</summary>
        ChatClient,

        /// <summary>The chat client as a chat completion service.</summary>
        CompletionService,
    }

    private static Kernel KernelOf(RunningServer server, string model, Way way)
    {
        var builder = Kernel.CreateBuilder();
        var client = server.Services.GetRequiredKeyedService<IChatClient>(model);
        if (way == Way.Server) builder.AddOpenAIChatCompletion(model, server.Client());
        else if (way == Way.ChatClient) builder.Services.AddChatClient(client).UseKernelFunctionInvocation();
        else builder.Services.AddSingleton(client.AsBuilder().UseKernelFunctionInvocation().Build().AsChatCompletionService());
        return builder.Build();
    }

    [Theory]
    [InlineData(Way.Server, "a1")]
    [InlineData(Way.Server, "stories260K")]
    [InlineData(Way.ChatClient, "a2")]
    [InlineData(Way.CompletionService, "a3")]
    public async Task A_prompt_is_answered_by_the_adapter_whole_and_streamed(Way way, string model)
    {
        var expected = story.Answer("Once upon a time", model == "stories260K" ? null : model, 30);
        await using var server = await RunningServer.StartAsync(story);
        var kernel = KernelOf(server, model, way);
        var arguments = new KernelArguments(new OpenAIPromptExecutionSettings { MaxTokens = 30, Temperature = 0 }) { ["what"] = "a time" };
        const string Prompt = "Once upon {{$what}}";
        (await kernel.InvokePromptAsync<string>(Prompt, arguments)).ShouldBe(expected);
        var streamed = new List<string>();
        await foreach (var part in kernel.InvokePromptStreamingAsync<string>(Prompt, arguments)) streamed.Add(part);
        string.Concat(streamed).ShouldBe(expected);
        streamed.Count.ShouldBeGreaterThan(5);
        if (way == Way.ChatClient) return;
        var history = new ChatHistory();
        history.AddUserMessage("Once upon a time");
        (await kernel.GetRequiredService<IChatCompletionService>().GetChatMessageContentAsync(history, new OpenAIPromptExecutionSettings { MaxTokens = 30, Temperature = 0 })).Content.ShouldBe(expected);
    }

    [Theory]
    [InlineData(Way.Server)]
    [InlineData(Way.ChatClient)]
    [InlineData(Way.CompletionService)]
    public async Task Functions_of_plugins_are_called_and_their_results_answered(Way way)
    {
        await using var calling = await CallingServer.StartAsync(story, "qwen");
        var kernel = KernelOf(calling.Server, "a1", way);
        var asked = new List<string>();
        kernel.Plugins.AddFromFunctions("Sky", [KernelFunctionFactory.CreateFromMethod((string city, int days) =>
        {
            asked.Add($"{city} {days}");
            return CallingServer.Result;
        }, "weather", "The weather of a city.")]);
        var settings = new OpenAIPromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() };
        (await kernel.InvokePromptAsync<string>("How is Rome?", new(settings))).ShouldBe(CallingServer.Report);
        var streamed = new List<string>();
        await foreach (var part in kernel.InvokePromptStreamingAsync<string>("How is Rome?", new(settings))) streamed.Add(part);
        string.Concat(streamed).ShouldEndWith(CallingServer.Report);
        asked.ShouldBe(["Rome 2", "Rome 2"]);
    }
}
