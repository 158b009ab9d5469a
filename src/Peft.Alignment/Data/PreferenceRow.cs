namespace Peft;

/// <summary>The token ids of a pair, and of its gold completion if it has one, each with the prompt.</summary>
internal readonly record struct PreferenceRow(TokenRow Chosen, TokenRow Rejected, TokenRow? Reference = null)
{
    /// <summary>All texts, in the order of a batch.</summary>
    public TokenRow[] Texts => Reference is { } gold ? [Chosen, Rejected, gold] : [Chosen, Rejected];
}
