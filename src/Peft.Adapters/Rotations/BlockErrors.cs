namespace Peft.Adapters;

/// <summary>The two ways to cut a rotation into blocks.</summary>
internal static class BlockErrors
{
    /// <summary>Errors unless exactly one of both is given.</summary>
    public static IEnumerable<string> Of(int count, int size)
    {
        if (count < 0 || size < 0 || (count == 0) == (size == 0)) yield return $"Give either BlockCount or BlockSize and leave the other at 0: they were {count} and {size}.";
    }
}
