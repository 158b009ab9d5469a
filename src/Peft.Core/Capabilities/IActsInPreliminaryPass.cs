namespace Peft;

/// <summary>A layer that is active in the preliminary forward pass of a method that reads the model's hidden states first (X-LoRA). All other layers are inactive in it.</summary>
public interface IActsInPreliminaryPass
{
    /// <summary>True if the layer is active.</summary>
    bool ActsInPreliminaryPass { get; }
}
