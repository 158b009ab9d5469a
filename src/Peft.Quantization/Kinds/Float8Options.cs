using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>FP8 (e4m3fn) with a scale for each tile, as DeepSeek-V3 and Qwen3 have it, or one for the whole matrix.</summary>
public sealed record Float8Options : QuantizationOptions
{
    /// <summary>Rows and columns of a tile, counted from the first element; null for one scale. 128 by default.</summary>
    public int? Tile { get; init; } = 128;

    /// <inheritdoc/>
    public override double BitsPerValue => 8 + (Tile is { } size ? 32.0 / size / size : 0);

    private protected override IEnumerable<string> Errors() => Tile < 1 ? [$"Tile must be at least 1, but was {Tile}."] : [];

    private protected override QuantizedMatrix Create(Tensor values) => Float8Matrix.Of(values, Tile ?? values.size(0), Tile ?? values.size(1));
}
