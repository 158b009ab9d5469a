using Peft;
using Peft.Models;

namespace PretrainAndFineTune;

/// <summary>What does a bank's customer want? 77 intents, with a few labelled texts for each (banking77).</summary>
/// <param name="data">The folder with the data sets.</param>
/// <param name="sizes">Number of texts and passes.</param>
/// <param name="development">True to measure on training texts that are not used, to choose settings.</param>
internal sealed class IntentTask(string data, Sizes sizes, bool development = false) : Benchmark
{
    public override string Name => "intents";

    public override string Metric => "accuracy";

    public override int Epochs => sizes.IntentEpochs;

    public override (TrainingDataset Train, TrainingDataset Test) Data(Tokenizer tokenizer)
    {
        var byIntent = Rows("train").GroupBy(row => row.Labels[0]).ToList();
        var train = new ClassificationDataset(byIntent.SelectMany(rows => rows.Take(sizes.TextsPerIntent)), tokenizer);
        var test = development ? byIntent.SelectMany(rows => rows.TakeLast(10)) : Rows("test");
        return (train, new ClassificationDataset(test, tokenizer, new() { Labels = train.Labels }));
    }

    public override PretrainedModel Model(string folder, TrainingDataset train, bool fromScratch)
    {
        var options = LoadOptions.FromLabelSet(((ClassificationDataset)train).Labels) with { Pooling = Pooling.Mean };
        return fromScratch ? SequenceClassifier.FromConfig(ConfigOf(folder), seed: 2, options) : SequenceClassifier.FromPretrained(folder, options);
    }

    private IEnumerable<ClassificationRow> Rows(string part) => Corpus.Rows(data, "banking77", part).Select(row => new ClassificationRow(row.GetProperty("text").GetString()!, row.GetProperty("label").GetString()!));
}
