using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;

namespace Peft.Server;

/// <summary>The body of a request for an answer, chat or text.</summary>
internal record SamplingRequest
{
    private static readonly string[] Harmless = ["user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"];

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

    /// <summary>All other fields.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; init; }

    /// <summary>The options of the chat client, the same for each kind of request.</summary>
    public virtual ChatOptions Options()
    {
        // What would change the answer is not ignored.
        if (Others?.FirstOrDefault(each => !Harmless.Contains(each.Key) && !SaysNothing(each.Value)) is { Key: { } unknown }) throw new NotSupportedException($"'{unknown}' is not supported: leave it out.");
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

    // The values that mean the same as no field.
    private static bool SaysNothing(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().Any() || (value.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String && type.GetString() == "text"),
        _ => false,
    };
}
