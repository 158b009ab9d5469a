using Peft;
using Peft.Models;

namespace PretrainAndFineTune;

/// <summary>A task to fine-tune for.</summary>
internal abstract class Benchmark
{
    /// <summary>Name in the results.</summary>
    public abstract string Name { get; }

    /// <summary>Name of the metric of an evaluation.</summary>
    public abstract string Metric { get; }

    /// <summary>Passes over the labelled data.</summary>
    public abstract int Epochs { get; }

    /// <summary>The data, tokenized.</summary>
    public abstract (TrainingDataset Train, TrainingDataset Test) Data(Tokenizer tokenizer);

    /// <summary>The model with a new head for the data's labels.</summary>
    /// <param name="folder">Folder of the pretrained model.</param>
    /// <param name="train">The training data.</param>
    /// <param name="fromScratch">True for random weights instead of the pretrained ones.</param>
    public abstract PretrainedModel Model(string folder, TrainingDataset train, bool fromScratch);

    private protected static ModelConfig ConfigOf(string folder) => ModelConfig.Parse(File.ReadAllText(Path.Combine(folder, "config.json")));
}
