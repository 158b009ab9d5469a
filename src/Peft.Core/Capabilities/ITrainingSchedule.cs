using static TorchSharp.torch;

namespace Peft;

/// <summary>A layer, or the tensors that layers share, that changes on a schedule during training.</summary>
public interface ITrainingSchedule
{
    /// <summary>Called after each optimizer step.</summary>
    /// <param name="step">Number of completed steps, from 1.</param>
    /// <param name="totalSteps">Total number of steps of the run.</param>
    void AfterStep(int step, int totalSteps);
}
