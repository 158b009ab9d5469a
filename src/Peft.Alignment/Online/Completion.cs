using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using static TorchSharp.torch;

namespace Peft;

/// <summary>A completion that the policy generated, as reward functions see it.</summary>
public sealed record Completion
{
    /// <summary>Index of the prompt in its batch.</summary>
    public required int Row { get; init; }

    /// <summary>Token ids of the prompt.</summary>
    public required IReadOnlyList<int> Prompt { get; init; }

    /// <summary>Token ids of the completion, with its end token if it has one.</summary>
    public required IReadOnlyList<int> Tokens { get; init; }

    /// <summary>True if the completion does not end in an end token: it reached the maximum length.</summary>
    public required bool IsTruncated { get; init; }

    /// <summary>Text of the prompt; null without <see cref="RolloutOptions.Tokenizer"/>.</summary>
    public string? PromptText { get; init; }

    /// <summary>Text of the completion, without special tokens; null without <see cref="RolloutOptions.Tokenizer"/>.</summary>
    public string? Text { get; init; }

    /// <summary>The calls of tools, in their order.</summary>
    public IReadOnlyList<FunctionCallContent> ToolCalls { get; init; } = [];

    /// <summary>Number of calls that failed: the tool threw, or there is none of that name.</summary>
    public int FailedToolCalls { get; init; }

    /// <summary>True for each of <see cref="Tokens"/> that belongs to the result of a tool; null without results.</summary>
    internal IReadOnlyList<bool>? IsResult { get; init; }

    /// <summary>Number of tokens that the policy wrote.</summary>
    internal int Written => IsResult?.Count(result => !result) ?? Tokens.Count;

    /// <summary>The fields of the prompt's row of the data, such as the expected answer; none if the batch has no <see cref="Batch.Fields"/>. They must not be changed.</summary>
    public JsonObject Fields { get; init; } = [];

    /// <summary>The prompt's row of each tensor in <see cref="Batch.Extra"/>, such as the index of a row of the dataset. Valid during the call.</summary>
    public IReadOnlyDictionary<string, Tensor> Extra { get; init; } = new Dictionary<string, Tensor>();
}
