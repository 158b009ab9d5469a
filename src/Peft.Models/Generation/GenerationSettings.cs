namespace Peft.Models;

/// <summary>Options with every default filled in, validated.</summary>
internal sealed record GenerationSettings
{
    public required int MaxNewTokens { get; init; }
    public required int MinNewTokens { get; init; }
    public required bool DoSample { get; init; }
    public required double Temperature { get; init; }
    public required int TopK { get; init; }
    public required double TopP { get; init; }
    public required double RepetitionPenalty { get; init; }
    public required IReadOnlyList<int> EndTokenIds { get; init; }
    public required int PadTokenId { get; init; }
    public required long? Seed { get; init; }

    public static GenerationSettings Resolve(GenerationOptions? options, ModelConfig? defaults, ModelConfig model)
    {
        options ??= new();
        defaults ??= new ModelConfig([]);
        var ends = options.EndTokenIds ?? (defaults.Has("eos_token_id") ? defaults.Ids("eos_token_id") : model.Ids("eos_token_id"));
        var settings = new GenerationSettings
        {
            MaxNewTokens = options.MaxNewTokens ?? (int?)defaults.Integer("max_new_tokens", null) ?? 256,
            MinNewTokens = options.MinNewTokens ?? (int?)defaults.Integer("min_new_tokens", null) ?? 0,
            DoSample = options.DoSample ?? defaults.Flag("do_sample", false),
            Temperature = options.Temperature ?? defaults.Number("temperature", 1),
            TopK = options.TopK ?? (int)defaults.Integer("top_k", 50)!,
            TopP = options.TopP ?? defaults.Number("top_p", 1),
            RepetitionPenalty = options.RepetitionPenalty ?? defaults.Number("repetition_penalty", 1),
            EndTokenIds = ends,
            PadTokenId = options.PadTokenId ?? defaults.PadTokenId ?? model.PadTokenId ?? (ends.Count > 0 ? ends[0] : 0),
            Seed = options.Seed,
        };
        settings.Validate();
        return settings;
    }

    private void Validate()
    {
        var errors = new List<string>();
        if (MaxNewTokens < 1) errors.Add($"MaxNewTokens must be at least 1, but is {MaxNewTokens}.");
        if (MinNewTokens < 0 || MinNewTokens > MaxNewTokens) errors.Add($"MinNewTokens must lie between 0 and MaxNewTokens ({MaxNewTokens}), but is {MinNewTokens}.");
        if (DoSample && !(Temperature > 0)) errors.Add($"Temperature must be above 0, but is {Temperature}: for the likeliest token set DoSample to false.");
        if (TopK < 0) errors.Add($"TopK must not be negative, but is {TopK}.");
        if (!(TopP > 0 && TopP <= 1)) errors.Add($"TopP must lie above 0 and up to 1, but is {TopP}.");
        if (!(RepetitionPenalty > 0)) errors.Add($"RepetitionPenalty must be above 0, but is {RepetitionPenalty}.");
        if (errors.Count > 0) throw new ArgumentException($"The generation options are wrong: {string.Join(" ", errors)}");
    }
}
