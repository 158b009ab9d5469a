namespace Peft;

public static partial class Metrics
{
    /// <summary>Computes precision, recall and F1 of entities. An entity is correct if its type and its boundaries are correct (<c>seqeval.metrics</c>, micro average).</summary>
    /// <param name="predicted">One predicted tag per word of each sequence.</param>
    /// <param name="expected">The correct tags.</param>
    /// <param name="strict">True to count only entities that are valid in IOB2 (<see cref="Entities.Strict"/>), as in seqeval's mode <c>strict</c>.</param>
    /// <exception cref="ArgumentException">The counts of sequences or tags differ, or there are no sequences.</exception>
    public static FScore EntityScore(IReadOnlyList<IReadOnlyList<string>> predicted, IReadOnlyList<IReadOnlyList<string>> expected, bool strict = false)
    {
        Require(predicted, expected);
        long right = 0, found = 0, sought = 0;
        for (var row = 0; row < expected.Count; row++)
        {
            if (predicted[row]?.Count != expected[row]?.Count || expected[row] is null)
                throw new ArgumentException($"Sequence {row} has {predicted[row]?.Count ?? 0} predicted tags, but {expected[row]?.Count ?? 0} words.", nameof(predicted));
            var (of, to) = strict ? (Entities.Strict(predicted[row]), Entities.Strict(expected[row])) : (Entities.Of(predicted[row]), Entities.Of(expected[row]));
            right += of.Intersect(to).Count();
            found += of.Count;
            sought += to.Count;
        }
        return FScore.Of(right, found, sought);
    }
}
