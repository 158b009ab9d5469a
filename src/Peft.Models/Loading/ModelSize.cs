using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Lower bound of the memory that a configuration requires.</summary>
internal static class ModelSize
{
    /// <summary>Throws if the weights of a model on the CPU exceed the machine's memory.</summary>
    public static void Require(ModelConfig config, TransformerSpec spec, LoadOptions options)
    {
        var available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (options.Placement.Device.type != DeviceType.CPU || Bytes(spec, options) <= available) return;
        throw new ModelFolderException($"{config.Source}: {Describe(spec, options)} This machine has {Gigabytes(available)}. If the sizes are correct, use a smaller dtype (LoadOptions.Dtype) or a larger machine.");
    }

    /// <summary>Describes the sizes and the required memory.</summary>
    public static string Describe(TransformerSpec spec, LoadOptions options)
        => string.Create(CultureInfo.InvariantCulture, $"A vocabulary of {spec.VocabularySize:N0}, {spec.LayerCount:N0} layers and a hidden size of {spec.HiddenSize:N0} take at least {Gigabytes(Bytes(spec, options))} as {options.Dtype}.");

    // Counts the embedding, the query and output projections, and two matrices of the feed-forward network, which every architecture has. A double does not overflow.
    private static double Bytes(TransformerSpec? spec, LoadOptions options)
    {
        if (spec is null) return 0;
        double hidden = spec.HiddenSize, layer = 2 * hidden * spec.HeadCount * spec.HeadSize + 2 * hidden * spec.IntermediateSize;
        if (options.StoredBits is { } bits) layer *= bits / (8 * Width(options.Dtype));
        var embedding = hidden * spec.VocabularySize * (options.EmbeddingBits / (8 * Width(options.Dtype)) ?? 1);
        var values = embedding + spec.LayerCount * layer + (spec.LearnedPositionOffset is null ? 0 : hidden * spec.MaxPositions);
        return values * Width(options.Dtype) + (spec.Encoder is { } encoder ? Bytes(encoder with { VocabularySize = 0 }, options) : 0);
    }

    public static int Width(ScalarType type)
    {
        using var one = empty(0, dtype: type);
        return (int)one.ElementSize;
    }

    private static string Gigabytes(double bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1 << 30):N1} GiB");
}
