using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Compares the logits of a tagger <c>[batch, sequence, tags]</c> with the tags at the first tokens of words.</summary>
/// <param name="labels">The tags.</param>
/// <param name="labelsOf">The label of each token of a row.</param>
internal sealed class TaggingMeasurement(LabelSet labels, Func<int, long[]> labelsOf) : IMeasurement
{
    private readonly List<string[]> predicted = [], expected = [];

    public void Add(IReadOnlyList<int> rows, Tensor output)
    {
        foreach (var (row, logits) in rows.Zip(output.ToRows()))
        {
            var right = labelsOf(row);
            int[] words = [.. Enumerable.Range(0, right.Length).Where(token => right[token] != Batch.IgnoredLabel)];
            if (words.Length == 0) continue;
            expected.Add([.. words.Select(token => labels[(int)right[token]])]);
            predicted.Add([.. words.Select(token => labels[ClassificationMeasurement.Largest(logits[(token * labels.Count)..((token + 1) * labels.Count)])])]);
        }
    }

    public IReadOnlyDictionary<string, double> Result()
    {
        var (precision, recall, f1) = Metrics.EntityScore(predicted, expected);
        return new Dictionary<string, double>
        {
            ["precision"] = precision, ["recall"] = recall, ["f1"] = f1,
            ["accuracy"] = Metrics.Accuracy<string>([.. predicted.SelectMany(tags => tags)], [.. expected.SelectMany(tags => tags)]),
        };
    }
}
