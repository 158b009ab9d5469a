namespace Peft.Tokenizers;

/// <summary>A token with all its fields of a <see cref="TokenEncoding"/>. Word and sequence are -1 for none.</summary>
internal readonly record struct TokenEntry(int Id, string Token, int Start, int End, int TypeId, int Word, int Sequence, bool IsSpecial)
{
    /// <summary>A special token that a post-processor adds.</summary>
    public static TokenEntry Special(int id, string token, int typeId) => new(id, token, 0, 0, typeId, -1, -1, true);
}
