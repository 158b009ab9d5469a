using Peft.Modules;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>What training an adapter of a language model with AdamW takes in memory, in bytes. It is computed on the device meta, without the model's weights, for models of any size.</summary>
/// <remarks>A process takes more: the libraries, and memory that the allocator keeps when it is freed (measured in docs/quantization.md).</remarks>
/// <param name="Weights">The frozen weights, the quantized ones with their scales.</param>
/// <param name="Adapter">The trained parameters and their gradients.</param>
/// <param name="Optimizer">The moments of AdamW.</param>
/// <param name="Activations">Estimate of what a step of the given batch keeps for its backward pass, and of the logits of a chunk.</param>
public sealed record TrainingMemory(long Weights, long Adapter, long Optimizer, long Activations)
{
    // Logits and what the loss makes of them exist for so many values at a time.
    private const long ChunkBytes = 3L * 4 * (1 << 22);

    /// <summary>All together.</summary>
    public long Total => Weights + Adapter + Optimizer + Activations;

    /// <summary>Computes what a model and an adapter take.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="adapter">Options of the adapter.</param>
    /// <param name="load">Dtype and quantization of the weights; float32 if null.</param>
    /// <param name="tokens">Number of tokens of a batch. 1,024 by default.</param>
    /// <param name="checkpointing">True if activations are checkpointed (<see cref="PretrainedModel.CheckpointActivations"/>).</param>
    /// <exception cref="UnsupportedModelException">The configuration requires a feature that is not implemented.</exception>
    /// <exception cref="AdapterOptionsException">The adapter does not fit the model.</exception>
    public static TrainingMemory Of(ModelConfig config, AdapterOptions adapter, LoadOptions? load = null, long tokens = 1024, bool checkpointing = false)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(adapter);
        ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 1);
        load ??= new();
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromConfig(config, options: load with { Device = new Device(TorchSharp.DeviceType.META), Quantization = null });
        var weights = WeightsOf(model, load.Quantization);
        var activations = ActivationsOf(model.Spec, tokens, checkpointing, model.parameters().First().ElementSize);
        using var peft = model.ApplyAdapter(adapter);
        var trained = peft.CountParameters().Trainable;
        return new(weights, 2 * sizeof(float) * trained, 2 * sizeof(float) * trained, activations);
    }

    private static long WeightsOf(CausalLM model, QuantizationOptions? quantization)
    {
        var bytes = model.parameters().Sum(parameter => parameter.numel() * parameter.ElementSize);
        if (quantization is null) return bytes;
        foreach (var (weight, kind) in ModelQuantization.QuantizableWeights(model, quantization))
            bytes += (long)Math.Ceiling(weight.numel() * kind.BitsPerValue / 8) - weight.numel() * weight.ElementSize;
        return bytes;
    }

    // What the layers of this library keep: inputs of norms and projections, queries, keys, values, the attention's output, and the feed-forward's parts.
    private static long ActivationsOf(TransformerSpec spec, long tokens, bool checkpointing, long elementSize)
    {
        long hidden = spec.HiddenSize, heads = (long)spec.HeadSize * (spec.HeadCount + 2 * spec.KeyValueHeadCount);
        var layer = 5 * hidden + heads + (spec.GatedFeedForward ? 3L : 2L) * spec.IntermediateSize;
        var kept = checkpointing ? spec.LayerCount * hidden + layer : spec.LayerCount * layer;
        return tokens * kept * elementSize + ChunkBytes;
    }
}
