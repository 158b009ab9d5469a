using static TorchSharp.torch;

namespace Peft;

/// <summary>An objective that needs log-probabilities of fixed texts under a reference, which can be computed before training.</summary>
internal interface IReferenceObjective
{
    /// <summary>The policy and its reference.</summary>
    Policy Policy { get; }

    /// <summary>The settings that the values depend on.</summary>
    string ReferenceSettings { get; }

    /// <summary>Computes the values of a batch that replace the reference, by their names in <see cref="Batch.Extra"/>: <c>[rows]</c> of the dataset each.</summary>
    IReadOnlyDictionary<string, Tensor> ReferenceOf(Batch batch);
}
