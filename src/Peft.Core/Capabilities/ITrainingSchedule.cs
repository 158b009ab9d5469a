using static TorchSharp.torch;

namespace Peft;

/// <summary>A layer, or the tensors that layers share, that changes in the course of training.</summary>
public interface ITrainingSchedule
{
    /// <summary>Called after each optimizer step.</summary>
    /// <param name="step">Number of steps done so far, from 1.</param>
    /// <param name="totalSteps">Number of steps of the whole run.</param>
    void AfterStep(int step, int totalSteps);
}
