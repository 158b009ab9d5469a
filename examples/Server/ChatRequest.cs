using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Peft.Server;

/// <summary>The body of a request for an answer, chat or text.</summary>
internal record SamplingRequest
{
    public string? Model { get; init; }
    public int? MaxTokens { get; init; }
    public int? MaxCompletionTokens { get; init; }
    public float? Temperature { get; init; }
    public float? TopP { get; init; }
    public int? TopK { get; init; }
    public long? Seed { get; init; }
    public float? FrequencyPenalty { get; init; }
    public float? PresencePenalty { get; init; }
    public int? N { get; init; }
    public JsonElement? Stop { get; init; }
    public bool Stream { get; init; }
    public StreamOptions? StreamOptions { get; init; }

    /// <summary>The options of the chat client, the same for each kind of request.</summary>
    public ChatOptions Options()
    {
        if (N is not (null or 1)) throw new ArgumentException($"n is {N}: this server gives one answer, send the request several times.");
        return new()
        {
            MaxOutputTokens = MaxCompletionTokens ?? MaxTokens, Temperature = Temperature, TopP = TopP, TopK = TopK, Seed = Seed, StopSequences = Stops(),
            FrequencyPenalty = FrequencyPenalty, PresencePenalty = PresencePenalty,
        };
    }

    protected List<string> Stops() => Stop switch
    {
        null or { ValueKind: JsonValueKind.Null } => [],
        { ValueKind: JsonValueKind.String } one => [one.GetString()!],
        { ValueKind: JsonValueKind.Array } all => [.. all.EnumerateArray().Select(each => each.ValueKind == JsonValueKind.String ? each.GetString()! : throw new ArgumentException("stop is a text or a list of texts."))],
        _ => throw new ArgumentException("stop is a text or a list of texts."),
    };
}

internal sealed record StreamOptions(bool IncludeUsage);

/// <summary>The body of <c>/v1/chat/completions</c>.</summary>
internal sealed record ChatRequest : SamplingRequest
{
    public IReadOnlyList<Message>? Messages { get; init; }

    /// <summary>The messages, with the text of parts of the type <c>text</c>.</summary>
    public IEnumerable<ChatMessage> Chat()
        => Messages is not { Count: > 0 } ? throw new ArgumentException("messages is empty.") : Messages.Select(each => new ChatMessage(new(each.Role ?? throw new ArgumentException("A message has no role.")), each.Text()));
}

internal sealed record Message(string? Role, JsonElement? Content)
{
    public string Text() => Content switch
    {
        null or { ValueKind: JsonValueKind.Null } => "",
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        { ValueKind: JsonValueKind.Array } parts => string.Concat(parts.EnumerateArray().Select(Part)),
        _ => throw new ArgumentException("content is a text or a list of parts."),
    };

    private static string Part(JsonElement part)
        => part.ValueKind == JsonValueKind.Object && part.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String && type.GetString() == "text" && part.TryGetProperty("text", out var text) && text.ValueKind == JsonValueKind.String
            ? text.GetString()! : throw new ArgumentException("This model reads text only: send parts of the type 'text'.");
}
