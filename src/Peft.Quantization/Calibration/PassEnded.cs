namespace Peft.Quantization;

/// <summary>Ends a forward pass from which nothing more is needed.</summary>
internal sealed class PassEnded() : Exception("A pass of calibration has ended early.");
