namespace Peft;

/// <summary>Options of the methods whose virtual tokens are keys and values in each layer.</summary>
public abstract record KeyValueOptions : PromptOptions
{
    /// <inheritdoc/>
    protected KeyValueOptions(string peftType) : base(peftType) { }

    /// <summary>
    /// Text to initialize the virtual tokens from, with its keys and values. Not saved. It needs at least as many tokens as there are virtual tokens. For
    /// decoders.
    /// </summary>
    [JsonIgnore] public string? InitialText { get; init; }

    /// <summary>The tokenizer of <see cref="InitialText"/>. Not saved.</summary>
    [JsonIgnore] public ITokenizer? Tokenizer { get; init; }

    [JsonIgnore] protected sealed override bool AreKeysAndValues => true;

    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (InitialText is not null && Tokenizer is null) yield return "With InitialText, Tokenizer must be set too.";
    }
}
