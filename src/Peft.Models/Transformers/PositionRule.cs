namespace Peft.Models;

/// <summary>How position ids are computed.</summary>
public enum PositionRule
{
    /// <summary>Counts from each row's first real token.</summary>
    FromFirstToken,

    /// <summary>Counts the real tokens of the attention mask, with padding on either side (OPT).</summary>
    RealTokens,

    /// <summary>Counts the tokens other than the padding token, regardless of the attention mask (RoBERTa).</summary>
    TokensButPadding,

    /// <summary>Counts all tokens, padding included (BERT).</summary>
    All,
}
