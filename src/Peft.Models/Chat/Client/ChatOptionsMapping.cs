using Microsoft.Extensions.AI;

namespace Peft.Models;

/// <summary>The options of Microsoft.Extensions.AI in this library's terms.</summary>
internal static class ChatOptionsMapping
{
    /// <summary>How to generate: what the options say, and the defaults where they say nothing.</summary>
    public static GenerationOptions Generation(ChatOptions? options, GenerationOptions defaults)
    {
        if (options is null) return defaults;
        if (options.FrequencyPenalty is not (null or 0) || options.PresencePenalty is not (null or 0))
            throw new NotSupportedException($"{nameof(ChatOptions.FrequencyPenalty)} and {nameof(ChatOptions.PresencePenalty)} are not implemented: give the client {nameof(GenerationOptions)} with a {nameof(GenerationOptions.RepetitionPenalty)}.");
        if (options.ResponseFormat is ChatResponseFormatJson)
            throw new NotSupportedException("Nothing holds a local model to JSON: ask for it in the messages, with the response format of text.");
        // A temperature of 0 means the likeliest token; the others mean nothing without drawing.
        var draws = options.Temperature is { } temperature ? temperature != 0 : options.TopK is not null || options.TopP is not null ? true : defaults.DoSample;
        return defaults with
        {
            MaxNewTokens = options.MaxOutputTokens ?? defaults.MaxNewTokens,
            DoSample = draws,
            Temperature = options.Temperature is null or 0 ? defaults.Temperature : (double)options.Temperature.Value,
            TopK = options.TopK ?? defaults.TopK,
            TopP = options.TopP ?? defaults.TopP,
            Seed = options.Seed ?? defaults.Seed,
            StopStrings = options.StopSequences is { Count: > 0 } stops ? [.. stops] : defaults.StopStrings,
        };
    }

    /// <summary>What the template is told.</summary>
    public static ChatTemplateOptions Template(ChatOptions? options, ChatTemplateOptions defaults)
    {
        var result = defaults with { AddGenerationPrompt = !defaults.ContinueFinalMessage };
        if (options?.ToolMode is RequiredChatToolMode)
            throw new NotSupportedException("Nothing makes a local model call a tool: use ChatToolMode.Auto or None.");
        if (options?.Tools is { Count: > 0 } tools && options.ToolMode is not NoneChatToolMode) result = result with { Tools = [.. tools] };
        if (options?.AdditionalProperties is not { Count: > 0 } more) return result;
        var variables = new Dictionary<string, object?>(defaults.Variables);
        foreach (var (name, value) in more) variables[name] = value;
        return result with { Variables = variables };
    }
}
