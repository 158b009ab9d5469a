namespace PretrainAndFineTune;

/// <summary>How much is done.</summary>
internal sealed record Sizes
{
    /// <summary>Number of tokens in the vocabulary.</summary>
    public int Vocabulary { get; init; } = 4000;

    /// <summary>Hidden size.</summary>
    public int Hidden { get; init; } = 128;

    /// <summary>Number of layers.</summary>
    public int Layers { get; init; } = 2;

    /// <summary>Maximum number of tokens of a text.</summary>
    public int Length { get; init; } = 128;

    /// <summary>Passes of the pretraining over the corpus: BERT learns from one token in seven, GPT from each.</summary>
    public IReadOnlyDictionary<Kind, int> PretrainingEpochs { get; init; } = new Dictionary<Kind, int> { [Kind.Bert] = 10, [Kind.Gpt] = 4 };

    /// <summary>Labelled texts for each intent.</summary>
    public int TextsPerIntent { get; init; } = 5;

    /// <summary>Passes of the fine-tuning over the labelled texts.</summary>
    public int IntentEpochs { get; init; } = 30;

    /// <summary>Passes of the fine-tuning over the tagged sentences.</summary>
    public int EntityEpochs { get; init; } = 4;
}
