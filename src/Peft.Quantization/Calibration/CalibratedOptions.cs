using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>How the linear modules of a model are quantized from samples of its inputs: <see cref="QuantizationOptions.Gptq"/> or <see cref="QuantizationOptions.Awq"/>.</summary>
public abstract record CalibratedOptions
{
    private protected CalibratedOptions() { }

    /// <summary>Modules that stay as they are, by path or the last parts of it. Heads, embeddings and norms always do, and so does what shares a weight with them.</summary>
    public IReadOnlyList<string> SkipModules { get; init; } = [];

    /// <summary>Inputs that share a scale and a zero, or -1 for all. They divide the number of inputs of every module. 128 by default.</summary>
    public int GroupSize { get; init; } = 128;

    /// <summary>Name of the method.</summary>
    internal abstract string Name { get; }

    /// <summary>Why a matrix has no form in files, as it follows its name; null if it has one.</summary>
    /// <param name="rows">Number of outputs.</param>
    /// <param name="columns">Number of inputs.</param>
    internal virtual string? WhyNot(long rows, long columns) => GroupSize > 0 && columns % GroupSize != 0 ? $"{columns} inputs are no whole groups of {GroupSize}" : null;

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
