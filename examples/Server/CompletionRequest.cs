using System.Text.Json;
using Peft.Models;

namespace Peft.Server;

/// <summary>The body of <c>/v1/completions</c>.</summary>
internal sealed record CompletionRequest : SamplingRequest
{
    public JsonElement? Prompt { get; init; }

    public string Text() => Prompt switch
    {
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        { ValueKind: JsonValueKind.Array } list when list.GetArrayLength() == 1 && list[0].ValueKind == JsonValueKind.String => list[0].GetString()!,
        _ => throw new ArgumentException("prompt is one text: send a request for each."),
    };

    public GenerationOptions Generation(GenerationOptions defaults)
    {
        var options = Options();
        if (FrequencyPenalty is not (null or 0) || PresencePenalty is not (null or 0)) throw new NotSupportedException("frequency_penalty and presence_penalty are not implemented.");
        return defaults with
        {
            MaxNewTokens = options.MaxOutputTokens ?? defaults.MaxNewTokens,
            // A temperature of 0 means greedy search; the other options imply sampling.
            DoSample = Temperature is { } temperature ? temperature != 0 : TopP is not null || TopK is not null ? true : defaults.DoSample,
            Temperature = Temperature is null or 0 ? defaults.Temperature : (double)Temperature.Value,
            TopP = TopP ?? defaults.TopP,
            TopK = TopK ?? defaults.TopK,
            Seed = Seed ?? defaults.Seed,
            StopStrings = options.StopSequences is { Count: > 0 } stops ? [.. stops] : defaults.StopStrings,
        };
    }
}
