using Microsoft.Extensions.AI;

namespace Peft.Models;

/// <summary>Maps the options of Microsoft.Extensions.AI to those of this library.</summary>
internal static class ChatOptionsMapping
{
    /// <summary>The generation options of a request, with defaults for those that it does not set.</summary>
    public static GenerationOptions Generation(ChatOptions? options, GenerationOptions defaults)
    {
        if (options is null) return defaults;
        if (options.FrequencyPenalty is not (null or 0) || options.PresencePenalty is not (null or 0))
            throw new NotSupportedException($"{nameof(ChatOptions.FrequencyPenalty)} and {nameof(ChatOptions.PresencePenalty)} are not implemented: pass the client {nameof(GenerationOptions)} with a {nameof(GenerationOptions.RepetitionPenalty)}.");
        if (options.ResponseFormat is ChatResponseFormatJson)
            throw new NotSupportedException("A local model cannot guarantee JSON: ask for it in the messages, and use ChatResponseFormat.Text.");
        // A temperature of 0 means greedy search. The other options imply sampling.
        var doSample = options.Temperature is { } temperature ? temperature != 0 : options.TopK is not null || options.TopP is not null ? true : defaults.DoSample;
        return defaults with
        {
            MaxNewTokens = options.MaxOutputTokens ?? defaults.MaxNewTokens,
            DoSample = doSample,
            Temperature = options.Temperature is null or 0 ? defaults.Temperature : (double)options.Temperature.Value,
            TopK = options.TopK ?? defaults.TopK,
            TopP = options.TopP ?? defaults.TopP,
            Seed = options.Seed ?? defaults.Seed,
            StopStrings = options.StopSequences is { Count: > 0 } stops ? [.. stops] : defaults.StopStrings,
        };
    }

    /// <summary>The options of the chat template for a request.</summary>
    public static ChatTemplateOptions Template(ChatOptions? options, ChatTemplateOptions defaults)
    {
        var result = defaults with { AddGenerationPrompt = !defaults.ContinueFinalMessage };
        if (options?.ToolMode is RequiredChatToolMode)
            throw new NotSupportedException("A local model cannot be forced to call a tool: use ChatToolMode.Auto or None.");
        if (options?.AllowMultipleToolCalls == false && options.Tools is { Count: > 0 })
            throw new NotSupportedException($"A local model cannot be limited to one tool call in an answer: leave {nameof(ChatOptions.AllowMultipleToolCalls)} out.");
        if (options?.Tools is { Count: > 0 } tools && options.ToolMode is not NoneChatToolMode) result = result with { Tools = [.. tools] };
        if (options?.AdditionalProperties is not { Count: > 0 } more) return result;
        var variables = new Dictionary<string, object?>(defaults.Variables);
        foreach (var (name, value) in more) variables[name] = value;
        return result with { Variables = variables };
    }
}
