namespace Peft;

/// <summary>The learning rate of a method, on its options.</summary>
/// <param name="recommended">What the method's authors or Hugging Face's examples use: <see cref="AdapterOptions.RecommendedLearningRate"/>.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class LearningRateAttribute(double recommended) : Attribute
{
    /// <summary>What the method's authors or Hugging Face's examples use.</summary>
    public double Recommended { get; } = recommended;

    /// <summary>The best one for a model of width 64: <see cref="AdapterOptions.SmallModelLearningRate"/>; 0 where it was not measured.</summary>
    public double SmallModel { get; init; }
}
