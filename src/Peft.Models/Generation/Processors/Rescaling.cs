using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A change of all scores alike.</summary>
internal sealed class Rescaling(Func<Tensor, Tensor> change) : ILogitsProcessor
{
    /// <summary>Scores divided by a temperature.</summary>
    public static Rescaling Temperature(double temperature) => new(scores => scores.div(Kept(temperature)));

    /// <summary>Finite scores: 0 for NaN, the largest and smallest numbers for ±∞.</summary>
    public static Rescaling Finite() => new(scores => scores.nan_to_num(0, float.MaxValue, float.MinValue));

    /// <summary>Log-probabilities.</summary>
    public static Rescaling Normalized() => new(scores => nn.functional.log_softmax(scores, -1));

    public Tensor Process(LogitsContext context, Tensor scores) => change(scores);
}
