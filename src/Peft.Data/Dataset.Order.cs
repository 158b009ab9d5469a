using Peft.Data;

namespace Peft;

public abstract partial class Dataset
{
    /// <summary>The first rows.</summary>
    /// <param name="count">How many.</param>
    public Dataset Take(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        return new ComputedDataset(Name, () => Enumerable.Take(this, count));
    }

    /// <summary>All but the first rows. On a shuffled dataset, this resumes an interrupted enumeration exactly.</summary>
    /// <param name="count">How many to skip.</param>
    public Dataset Skip(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        return new ComputedDataset(Name, () => Enumerable.Skip(this, count));
    }

    /// <summary>
    /// The rows in a random order: each is drawn from a buffer of the next rows, so that only the buffer is in memory. The order is the same for the same seed and buffer. A trainer shuffles all
    /// rows by itself, each epoch anew.
    /// </summary>
    /// <param name="seed">Seed of the order.</param>
    /// <param name="bufferSize">Number of rows in the buffer. With as many as there are rows, every order is equally likely.</param>
    public Dataset Shuffle(int seed = 0, int bufferSize = 10_000)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bufferSize, 1);
        return new ComputedDataset(Name, () => Shuffled(seed, bufferSize));
    }

    /// <summary>Splits the rows at random into a training set and a test set. Both keep the order of the rows.</summary>
    /// <param name="testShare">Fraction of the rows in the test set, between 0 and 1. The count is rounded up.</param>
    /// <param name="seed">Seed of the split.</param>
    /// <returns>Both parts. The first enumeration counts the rows; one bit a row is in memory.</returns>
    /// <exception cref="DatasetException">While rows are enumerated: one of the sets would have no rows.</exception>
    public (Dataset Train, Dataset Test) TrainTestSplit(double testShare = 0.25, int seed = 0)
    {
        if (testShare is not (> 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(testShare), testShare, "The fraction must be between 0 and 1.");
        var tested = new Lazy<bool[]>(() => Tested(testShare, seed));
        return (Part(false, "train"), Part(true, "test"));

        ComputedDataset Part(bool isTest, string part) => new($"{Name} ({part})", () => this.Where((_, i) => tested.Value[i] == isTest));
    }

    private bool[] Tested(double share, int seed)
    {
        var count = this.Count();
        var testCount = (int)Math.Ceiling(count * share);
        if (testCount == 0 || testCount == count) throw new DatasetException($"{Name} has {count} rows, too few for a test fraction of {share}.");
        var tested = new bool[count];
        tested.AsSpan(0, testCount).Fill(true);
        new SplitMix64(SplitMix64.Mix(seed, 0)).Shuffle<bool>(tested);
        return tested;
    }

    private IEnumerable<DatasetRow> Shuffled(int seed, int bufferSize)
    {
        var random = new SplitMix64(SplitMix64.Mix(seed, 0));
        var buffer = new List<DatasetRow>();
        foreach (var row in this)
        {
            if (buffer.Count < bufferSize)
            {
                buffer.Add(row);
                continue;
            }
            var at = random.Next(bufferSize);
            yield return buffer[at];
            buffer[at] = row;
        }
        var rest = buffer.ToArray();
        random.Shuffle<DatasetRow>(rest);
        foreach (var row in rest) yield return row;
    }
}
