namespace Peft.Tokenizers;

/// <summary>Two adjacent tokens, ordered by their ids.</summary>
internal readonly record struct BpePair(int Left, int Right) : IComparable<BpePair>
{
    public int CompareTo(BpePair other) => Left != other.Left ? Left.CompareTo(other.Left) : Right.CompareTo(other.Right);
}
