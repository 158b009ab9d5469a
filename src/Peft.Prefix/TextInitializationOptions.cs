using System.Text.Json;

namespace Peft;

/// <summary>Options of the methods whose embeddings can be initialized from a text.</summary>
public abstract record TextInitializationOptions : PromptOptions, ISavedAfterTraining
{
    /// <inheritdoc/>
    protected TextInitializationOptions(string peftType) : base(peftType) { }

    /// <summary>Text to initialize the virtual tokens from.</summary>
    [JsonPropertyName("prompt_tuning_init_text")] public string? InitialText { get; init; }

    /// <summary>Tokenizer that a Python reader loads for the text; the base model's if null. Hugging Face PEFT reads no file with a text and without it.</summary>
    [JsonPropertyName("tokenizer_name_or_path")] public string? TokenizerName { get; init; }

    /// <summary>Keyword arguments for loading that tokenizer in Python.</summary>
    [JsonPropertyName("tokenizer_kwargs")] public IReadOnlyDictionary<string, JsonElement>? TokenizerArguments { get; init; }

    /// <summary>The tokenizer of <see cref="InitialText"/>. Not saved.</summary>
    [JsonIgnore] public ITokenizer? Tokenizer { get; init; }

    /// <summary>True if the virtual tokens are initialized from a text.</summary>
    [JsonIgnore] private protected abstract bool StartsAsText { get; }

    AdapterOptions ISavedAfterTraining.AfterTraining(IReadOnlyList<AdapterLayer> layers)
        => StartsAsText && string.IsNullOrEmpty(TokenizerName) ? this with { TokenizerName = BaseModelNameOrPath } : this;

    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        // A saved adapter already has its values.
        if (StartsAsText && !InferenceMode && (InitialText is null || Tokenizer is null))
            yield return $"To initialize from a text, {(InitialText is null ? nameof(InitialText) : nameof(Tokenizer))} must be set.";
    }
}
