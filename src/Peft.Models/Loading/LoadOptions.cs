using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>How to load a model.</summary>
public sealed record LoadOptions
{
    /// <summary>Type of the parameters, whatever the file's; float32 by default.</summary>
    public ScalarType Type { get; init; } = ScalarType.Float32;

    /// <summary>Where the parameters go; the CPU if null.</summary>
    public Device? Device { get; init; }

    /// <summary>The known architectures; the built-in ones if null.</summary>
    public ModelRegistry? Registry { get; init; }

    /// <summary>Number of classes of a classification head, if not the configuration's. A head of another size is then drawn anew.</summary>
    public int? LabelCount { get; init; }

    /// <summary>Names of the classes of a classification head in their order, if not the configuration's. A head of another size is then drawn anew.</summary>
    public IReadOnlyList<string>? Id2Label { get; init; }

    /// <summary>What a classification head learns, if not the configuration's <c>problem_type</c>.</summary>
    public ProblemType? Problem { get; init; }

    /// <summary>Which hidden states a <see cref="SequenceClassifier"/> reads, if not the configuration's <c>classifier_pooling</c> or what the architecture does.</summary>
    public Pooling? Pooling { get; init; }

    /// <summary>Options for a head with these classes, so that a dataset's <see cref="ClassificationDataset.Labels"/> may stand where options are asked for.</summary>
    public static implicit operator LoadOptions(LabelSet labels) => FromLabelSet(labels);

    /// <summary>Options for a head with these classes.</summary>
    public static LoadOptions FromLabelSet(LabelSet labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        return new() { Id2Label = labels, Problem = labels.Problem };
    }

    internal bool NamesLabels => LabelCount is not null || Id2Label is not null;

    /// <summary>Seed of weights that the checkpoint lacks.</summary>
    public long Seed { get; init; }

    /// <summary>Told about weights that the checkpoint lacks.</summary>
    public ILogger? Logger { get; init; }

    /// <summary>Branch, tag or commit of a model from the hub; <c>main</c> if null. Has no meaning for a folder.</summary>
    public string? Revision { get; init; }

    /// <summary>How to reach the hub, for a model that is named by its hub id.</summary>
    public HubOptions? Hub { get; init; }

    /// <summary>What the model's files may cost in depth, time and memory; <see cref="ResourceLimits.Default"/> if null.</summary>
    public ResourceLimits? Limits { get; init; }

    internal Placement Placement
    {
        get
        {
            TorchRuntime.Require();
            return new(Type, Device ?? CPU);
        }
    }
}
