using System.Text.Json.Serialization;

namespace Peft;

/// <summary>The result of an evaluation.</summary>
/// <param name="Step">Number of optimizer steps completed before it.</param>
/// <param name="Loss">Mean loss over the dataset, weighted by <see cref="Batch.Weight"/>.</param>
/// <param name="Metrics">Metrics by name.</param>
[TypeFormatterSource(typeof(EvaluationResultDisplay))]
public sealed record EvaluationResult(int Step, double Loss, IReadOnlyDictionary<string, double> Metrics)
{
    /// <summary>Texts for readers, such as completions, by the name of their list. Checkpoints do not contain them.</summary>
    [JsonIgnore] public IReadOnlyDictionary<string, IReadOnlyList<string>> Samples { get; init; } = new Dictionary<string, IReadOnlyList<string>>();
}
