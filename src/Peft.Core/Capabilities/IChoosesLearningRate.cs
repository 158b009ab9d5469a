namespace Peft;

/// <summary>Options whose values decide the learning rate, such as a union of methods. The rates of the others are an attribute (<see cref="LearningRateAttribute"/>).</summary>
public interface IChoosesLearningRate
{
    /// <summary>The rates.</summary>
    LearningRateAttribute LearningRate { get; }
}
