using Peft;
using Peft.Models;

namespace PretrainAndFineTune;

/// <summary>Which words of a post are the name of a person, place, product, …? Names that are rare and new (WNUT 2017).</summary>
/// <param name="data">The folder with the data sets.</param>
/// <param name="sizes">Number of passes.</param>
/// <param name="development">True to measure on the development set, to choose settings.</param>
internal sealed class EntityTask(string data, Sizes sizes, bool development = false) : Benchmark
{
    public override string Name => "entities";

    public override string Metric => "f1";

    public override int Epochs => sizes.EntityEpochs;

    public override (TrainingDataset Train, TrainingDataset Test) Data(Tokenizer tokenizer)
    {
        var train = TaggingDataset.FromFile(Path.Combine(data, "wnut17", "train.jsonl"), tokenizer);
        return (train, TaggingDataset.FromFile(Path.Combine(data, "wnut17", development ? "dev.jsonl" : "test.jsonl"), tokenizer, new() { Labels = train.Labels }));
    }

    public override PretrainedModel Model(string folder, TrainingDataset train, bool fromScratch)
    {
        LoadOptions options = ((TaggingDataset)train).Labels;
        return fromScratch ? TokenClassifier.FromConfig(ConfigOf(folder), seed: 2, options) : TokenClassifier.FromPretrained(folder, options);
    }
}
