using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Applies the same function to all scores.</summary>
internal sealed class Rescaling(Func<Tensor, Tensor> change) : ILogitsProcessor
{
    /// <summary>Divides the scores by a temperature.</summary>
    public static Rescaling Temperature(double temperature) => new(scores => scores.div(Constant(temperature)));

    /// <summary>Makes scores finite: 0 for NaN, the largest and smallest float32 values for ±∞.</summary>
    public static Rescaling Finite() => new(scores => scores.nan_to_num(0, float.MaxValue, float.MinValue));

    /// <summary>Normalizes the scores to log-probabilities.</summary>
    public static Rescaling Normalized() => new(scores => nn.functional.log_softmax(scores, -1));

    public Tensor Process(LogitsContext context, Tensor scores) => change(scores);
}
