namespace PretrainAndFineTune;

/// <summary>The two kinds of model.</summary>
internal enum Kind
{
    /// <summary>An encoder, pretrained to fill in masked words.</summary>
    Bert,

    /// <summary>A decoder, pretrained to continue texts.</summary>
    Gpt,
}
