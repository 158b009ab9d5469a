using System.Text.Json;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>Options of the methods whose embeddings can start as those of a text.</summary>
public abstract record TextStartOptions : PromptOptions
{
    /// <inheritdoc/>
    protected TextStartOptions(string peftType) : base(peftType) { }

    /// <summary>The text that the virtual tokens start from.</summary>
    [JsonPropertyName("prompt_tuning_init_text")] public string? StartText { get; init; }

    /// <summary>The tokenizer that a reader in Python takes for the text.</summary>
    [JsonPropertyName("tokenizer_name_or_path")] public string? TokenizerName { get; init; }

    /// <summary>Its arguments there.</summary>
    [JsonPropertyName("tokenizer_kwargs")] public IReadOnlyDictionary<string, JsonElement>? TokenizerArguments { get; init; }

    /// <summary>The tokenizer of the text; not saved.</summary>
    [JsonIgnore] public ITokenizer? Tokenizer { get; init; }

    /// <summary>Whether the virtual tokens start as a text's.</summary>
    [JsonIgnore] private protected abstract bool StartsAsText { get; }

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        // A saved adapter has its values already.
        if (StartsAsText && !InferenceMode && (StartText is null || Tokenizer is null))
            yield return $"To start as a text, {(StartText is null ? nameof(StartText) : nameof(Tokenizer))} must be given.";
    }
}
