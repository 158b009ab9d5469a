using Microsoft.Extensions.Logging;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Options for loading a model.</summary>
public sealed record LoadOptions : PretrainedOptions
{
    /// <summary>Dtype of the parameters, independent of that of the file; float32 by default.</summary>
    public ScalarType Dtype { get; init; } = ScalarType.Float32;

    /// <summary>Device of the parameters; null for the CPU.</summary>
    public Device? Device { get; init; }

    /// <summary>
    /// Quantizes the weights of linear modules, and those of embeddings if the options say so, as each is read, so that the float model is never in memory as a whole: for QLoRA. Null for float weights. A
    /// checkpoint that is already quantized does not need this.
    /// </summary>
    public QuantizationOptions? Quantization { get; init; }

    /// <summary>Bits per value of weights that are not parameters; null if all are parameters.</summary>
    internal double? StoredBits { get; init; }

    /// <summary>Bits per value of embeddings that are quantized while they are read; null if they are not.</summary>
    internal double? EmbeddingBits => StoredBits is null ? null : Quantization?.Embeddings?.BitsPerValue;

    /// <summary>The supported architectures; null for the built-in ones.</summary>
    public ModelRegistry? Registry { get; init; }

    /// <summary>Number of classes of a classification head; null for that of the configuration. If it differs from the checkpoint, the head is initialized at random.</summary>
    public int? LabelCount { get; init; }

    /// <summary>
    /// Names of the classes of a classification head in order; null for those of the configuration. If their number differs from the checkpoint, the head is
    /// initialized at random.
    /// </summary>
    public IReadOnlyList<string>? Id2Label { get; init; }

    /// <summary>The problem type of a classification head; null for <c>problem_type</c> of the configuration.</summary>
    public ProblemType? Problem { get; init; }

    /// <summary>The hidden states that a <see cref="SequenceClassifier"/> reads; null for <c>classifier_pooling</c> of the configuration, or else the architecture's default.</summary>
    public Pooling? Pooling { get; init; }

    /// <summary>Options for a head with these classes, so that a dataset's <see cref="ClassificationDataset.Labels"/> can be passed as options.</summary>
    public static implicit operator LoadOptions(LabelSet labels) => FromLabelSet(labels);

    /// <summary>Options for a head with these classes.</summary>
    public static LoadOptions FromLabelSet(LabelSet labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        return new() { Id2Label = labels, Problem = labels.Problem };
    }

    internal bool NamesLabels => LabelCount is not null || Id2Label is not null;

    /// <summary>Seed for initializing weights that the checkpoint lacks.</summary>
    public long Seed { get; init; }

    /// <summary>Receives a warning about weights that the checkpoint lacks.</summary>
    public ILogger? Logger { get; init; }

    internal Placement Placement
    {
        get
        {
            TorchRuntime.Require();
            return new(Dtype, Device ?? CPU, StoredBits, EmbeddingBits);
        }
    }
}
