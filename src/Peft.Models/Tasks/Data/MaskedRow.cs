namespace Peft.Models;

/// <summary>A row of a <see cref="MaskedDataset"/>.</summary>
/// <param name="Text">The tokens.</param>
/// <param name="Units">Groups of positions that are masked together: single tokens, or whole words. Special tokens belong to none.</param>
internal sealed record MaskedRow(EncodedText Text, int[][] Units)
{
    /// <summary>The sequences of a tokenized row (<see cref="TokenRows"/>): those of the text, the size of each unit, and the positions of all units.</summary>
    public long[][] Sequences => [.. Text.Sequences, [.. Units.Select(unit => (long)unit.Length)], [.. Units.SelectMany(unit => unit).Select(position => (long)position)]];

    /// <summary>Reads <see cref="Sequences"/>.</summary>
    public static MaskedRow Of(long[][] row)
    {
        var start = 0;
        var units = new int[row[2].Length][];
        for (var i = 0; i < units.Length; start += units[i++].Length) units[i] = Array.ConvertAll(row[3][start..(start + (int)row[2][i])], position => (int)position);
        return new(EncodedText.Of(row), units);
    }

    /// <summary>The rows of a text: one, or several that fit the maximum length, each with the tokenizer's special tokens around it.</summary>
    public static IEnumerable<MaskedRow> Of(string text, Tokenizer tokenizer, MaskedOptions options, string name)
    {
        var whole = tokenizer.Encode(text, new EncodeOptions());
        var content = Enumerable.Range(0, whole.Length).Where(i => whole.SequenceIds[i] is not null).ToList();
        if (content.Count == 0) yield break;
        var (before, after) = (Enumerable.Range(0, content[0]), Enumerable.Range(content[^1] + 1, whole.Length - content[^1] - 1));
        var room = (options.MaxLength ?? tokenizer.MaxLength ?? int.MaxValue) - content[0] - (whole.Length - content[^1] - 1);
        if (room < 1) throw new DatasetException($"{name}: a row has at most {options.MaxLength ?? tokenizer.MaxLength} tokens, and the special tokens take up all of them. Raise {nameof(MaskedOptions.MaxLength)}.");
        foreach (var part in content.Chunk(room))
        {
            int[] positions = [.. before, .. part, .. after];
            var maskable = Enumerable.Range(0, positions.Length).Where(i => whole.SequenceIds[positions[i]] is not null && !tokenizer.IsSpecial(whole.Ids[positions[i]]));
            var units = options.WholeWords ? maskable.GroupBy(i => whole.WordIds[positions[i]]).Select(word => word.ToArray()) : maskable.Select(i => new[] { i });
            int[][] all = [.. units];
            if (all.Length > 0) yield return new(EncodedText.Of(whole, positions), all);
        }
    }
}
