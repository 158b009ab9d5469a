namespace Peft;

/// <summary>A layer that takes part in the preliminary forward pass of a method that reads the model's hidden states first (X-LoRA). All others stay out of it.</summary>
public interface IActsInPreliminaryPass
{
    /// <summary>True if the layer takes part.</summary>
    bool ActsInPreliminaryPass { get; }
}
