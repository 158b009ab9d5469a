using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>
/// DEFT (Hugging Face PEFT 0.20): W − Q·Pᵀ·W + s·Q·R: what the weight writes in a few trained directions is taken out, and a trained matrix R put
/// in its place. Merges.
/// </summary>
[MethodDescription("DEFT", "W − Q·Pᵀ·W + s·Q·R", "Hugging Face PEFT 0.20")]
[LearningRate(1e-4)]
public sealed record DeftOptions() : BiasedUpdateOptions("DEFT")
{
    /// <summary>Directions that are replaced. At least 1.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 8;

    /// <summary>How the directions follow from the trained matrix: <c>relu</c>, or <c>qr</c> for orthonormal ones.</summary>
    [JsonPropertyName("decomposition_method")] public string Decomposition { get; init; } = "relu";

    /// <summary>Strength of what is put in, divided by the rank; null for 1.</summary>
    [JsonPropertyName("alpha")] public int? Alpha { get; init; }

    /// <summary>Whether directions are only taken out and nothing put in (PaRa).</summary>
    [JsonPropertyName("para")] public bool OnlyRemoves { get; init; }

    /// <summary>Factor of a random R's deviation, where <see cref="InitWeights"/> is false.</summary>
    [JsonPropertyName("init_scale")] public double InitialScale { get; init; } = 1;

    /// <summary>Share of each input's elements that training leaves out of what is put in, 0 up to but not including 1.</summary>
    [JsonPropertyName("deft_dropout")] public double Dropout { get; init; }

    /// <summary>Whether the adapter starts as none; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors().Concat(NumberErrors(Rank, Dropout))) yield return error;
        if (Decomposition is not ("relu" or "qr")) yield return $"Decomposition must be 'relu' or 'qr', but was '{Decomposition}'.";
        if (Alpha == 0) yield return "Alpha must not be 0.";
    }

    /// <inheritdoc/>
    protected override AdapterLayer CreateLayer(Target target) => new DeftLayer(target, this);
}
