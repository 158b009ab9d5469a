using System.Diagnostics.CodeAnalysis;

namespace Peft;

/// <summary>How the matrices of a GGUF file are stored. Norms and biases are always in float32.</summary>
[SuppressMessage("Naming", "CA1707:Identifiers should not contain underscores", Justification = "These are the names that llama.cpp gives them.")]
public enum GgufWeights
{
    /// <summary>32-bit floating point.</summary>
    F32,

    /// <summary>16-bit floating point.</summary>
    F16,

    /// <summary>8 bits with a scale for each 32 values: 8.5 bits a value.</summary>
    Q8_0,

    /// <summary>4 bits with quantized scales and minima, 4.5 bits a value; embeddings and head in 6 bits (Q6_K). As llama.cpp does, rows that are no multiple of 256 values become Q5_0 and Q8_0.</summary>
    Q4_K,
}
