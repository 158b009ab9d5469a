namespace Peft.Tokenizers;

/// <summary>A training word, spelled in the tokens so far.</summary>
internal sealed class BpeTrainingWord(int[] ids, long count)
{
    private int length = ids.Length;

    /// <summary>Frequency of the word.</summary>
    public long Count => count;

    /// <summary>The adjacent pairs.</summary>
    public IEnumerable<BpePair> Pairs()
    {
        for (var i = 1; i < length; i++) yield return new(ids[i - 1], ids[i]);
    }

    /// <summary>Replaces each occurrence of a pair, from left to right.</summary>
    /// <param name="pair">The pair.</param>
    /// <param name="merged">The token that replaces it.</param>
    /// <param name="change">Called for each neighboring pair that disappears (−1) or arises (+1). The pair itself is not reported.</param>
    public void Merge(BpePair pair, int merged, Action<BpePair, int> change)
    {
        var kept = 0;
        for (var i = 0; i < length; i++)
        {
            if (ids[i] != pair.Left || i + 1 >= length || ids[i + 1] != pair.Right)
            {
                ids[kept++] = ids[i];
                continue;
            }
            if (kept > 0)
            {
                change(new(ids[kept - 1], pair.Left), -1);
                change(new(ids[kept - 1], merged), 1);
            }
            i++;
            if (i + 1 < length)
            {
                change(new(pair.Right, ids[i + 1]), -1);
                change(new(merged, ids[i + 1]), 1);
            }
            ids[kept++] = merged;
        }
        length = kept;
    }
}
