namespace Peft.Quantization;

/// <summary>A weight cannot be quantized, or quantized values are damaged or of an unknown kind.</summary>
public sealed class QuantizationException : PeftException
{
    internal QuantizationException(string message) : base(message) { }
}
