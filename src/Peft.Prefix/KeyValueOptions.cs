using System.Text.Json.Serialization;

namespace Peft;

/// <summary>Options of the methods whose virtual tokens are keys and values for each layer.</summary>
public abstract record KeyValueOptions : PromptOptions
{
    /// <inheritdoc/>
    protected KeyValueOptions(string peftType) : base(peftType) { }

    /// <summary>A text whose keys and values the virtual tokens start as; not saved. It needs as many tokens as there are virtual ones. For decoders.</summary>
    [JsonIgnore] public string? StartText { get; init; }

    /// <summary>The tokenizer of the text; not saved.</summary>
    [JsonIgnore] public ITokenizer? Tokenizer { get; init; }

    /// <inheritdoc/>
    [JsonIgnore] protected sealed override bool AreKeysAndValues => true;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (StartText is not null && Tokenizer is null) yield return "To start as a text, Tokenizer must be given.";
    }
}
