using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Peft.Server;

/// <summary>The body of <c>/v1/chat/completions</c>.</summary>
internal sealed record ChatRequest : SamplingRequest
{
    public IReadOnlyList<Message>? Messages { get; init; }
    public IReadOnlyList<Tool>? Tools { get; init; }
    public JsonElement? ToolChoice { get; init; }
    public bool? ParallelToolCalls { get; init; }

    /// <summary>The messages, with the text of parts of the type <c>text</c>.</summary>
    public IEnumerable<ChatMessage> Chat() => Messages is not { Count: > 0 } ? throw new ArgumentException("messages is empty.") : Messages.Select(each => each.Chat());

    /// <inheritdoc/>
    public override ChatOptions Options()
    {
        var options = base.Options();
        options.Tools = Tools?.Select(each => each.Declaration()).ToList();
        options.ToolMode = Tool.Mode(ToolChoice);
        options.AllowMultipleToolCalls = ParallelToolCalls;
        return options;
    }
}
