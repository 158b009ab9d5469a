using static TorchSharp.torch;

namespace Peft;

/// <summary>A layer, or the tensors that layers share, with a term of its own in the training loss.</summary>
public interface IPenalty
{
    /// <summary>A scalar to add to the loss, with its weight; null for none at present.</summary>
    Tensor? Penalty();
}

/// <summary>A layer, or the tensors that layers share, that changes as training goes on.</summary>
public interface ITrainingSchedule
{
    /// <summary>Called after each optimizer step.</summary>
    /// <param name="step">Steps done so far, from 1.</param>
    /// <param name="totalSteps">Steps of the whole run.</param>
    void AfterStep(int step, int totalSteps);
}
