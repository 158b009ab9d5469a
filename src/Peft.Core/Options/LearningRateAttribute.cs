namespace Peft;

/// <summary>The learning rate of a method, as an attribute of its options.</summary>
/// <param name="recommended">The learning rate of the method's authors or Hugging Face's examples: <see cref="AdapterOptions.RecommendedLearningRate"/>.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class LearningRateAttribute(double recommended) : Attribute
{
    /// <summary>The learning rate of the method's authors or Hugging Face's examples.</summary>
    public double Recommended { get; } = recommended;

    /// <summary>The best learning rate for a model of width 64: <see cref="AdapterOptions.SmallModelLearningRate"/>; 0 if it was not measured.</summary>
    public double SmallModel { get; init; }
}
