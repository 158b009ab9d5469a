using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>How the linear modules of a model are quantized from samples of its inputs: <see cref="QuantizationOptions.Gptq"/> or <see cref="QuantizationOptions.Awq"/>.</summary>
public abstract record CalibratedOptions
{
    private protected CalibratedOptions() { }

    /// <summary>Modules that are not quantized, by path or the last parts of it. Heads, embeddings, norms and modules that share a weight with them are never quantized.</summary>
    public IReadOnlyList<string> SkipModules { get; init; } = [];

    /// <summary>Inputs that share a scale and a zero, or -1 for all. It must divide the number of inputs of every module. 128 by default.</summary>
    public int GroupSize { get; init; } = 128;

    /// <summary>Name of the method.</summary>
    internal abstract string Name { get; }

    /// <summary>The reason that a matrix cannot be stored in files, as it follows its name; null if it can.</summary>
    /// <param name="rows">Number of outputs.</param>
    /// <param name="columns">Number of inputs.</param>
    internal virtual string? WhyNot(long rows, long columns) => GroupSize > 0 && columns % GroupSize != 0 ? $"{columns} inputs are not a multiple of the group size {GroupSize}" : null;

    /// <summary>Why a model cannot be quantized so; null if it can.</summary>
    internal virtual string? WhyNot(nn.Module model) => null;

    /// <summary>Quantizes the modules of a layer.</summary>
    internal abstract void Quantize(LayerCalibration layer);

    /// <summary>Inputs per group of a matrix.</summary>
    internal int SizeFor(long columns) => GroupSize > 0 ? GroupSize : checked((int)columns);

    private protected virtual IEnumerable<string> Errors()
    {
        if (GroupSize is not -1 and < 8) yield return $"GroupSize must be at least 8, or -1 for all inputs, but was {GroupSize}.";
        if (SkipModules.Any(string.IsNullOrWhiteSpace)) yield return "SkipModules has an empty name.";
    }

    internal void Validate()
    {
        string[] errors = [.. Errors()];
        if (errors.Length > 0) throw new ArgumentException(string.Join(' ', errors));
    }
}
