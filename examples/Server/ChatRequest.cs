using Microsoft.Extensions.AI;

namespace Peft.Server;

/// <summary>The body of <c>/v1/chat/completions</c>.</summary>
internal sealed record ChatRequest : SamplingRequest
{
    public IReadOnlyList<Message>? Messages { get; init; }

    /// <summary>The messages, with the text of parts of the type <c>text</c>.</summary>
    public IEnumerable<ChatMessage> Chat()
        => Messages is not { Count: > 0 } ? throw new ArgumentException("messages is empty.") : Messages.Select(each => new ChatMessage(new(each.Role ?? throw new ArgumentException("A message has no role.")), each.Text()));
}
