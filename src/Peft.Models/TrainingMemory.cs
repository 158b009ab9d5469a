using Peft.Modules;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The memory in bytes that training an adapter of a language model with AdamW takes. It is computed on the meta device, without the model's weights, for models of any size.</summary>
/// <remarks>A process takes more: the libraries need memory, and the allocator keeps freed memory (measured in docs/quantization.md).</remarks>
/// <param name="Weights">The frozen weights, including the scales of quantized ones.</param>
/// <param name="Adapter">The trained parameters and their gradients.</param>
/// <param name="Optimizer">The moments of AdamW.</param>
/// <param name="Activations">Estimate of the activations that a training step keeps for its backward pass, and of one chunk of logits.</param>
public sealed record TrainingMemory(long Weights, long Adapter, long Optimizer, long Activations)
{
    // The loss keeps three float32 tensors of 2²² values for each chunk of logits.
    private const long ChunkBytes = 3L * 4 * (1 << 22);

    /// <summary>The sum of all four.</summary>
    public long Total => Weights + Adapter + Optimizer + Activations;

    /// <summary>Computes the memory that training an adapter takes.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="adapter">Options of the adapter.</param>
    /// <param name="load">Dtype and quantization of the weights; float32 if null.</param>
    /// <param name="tokens">Number of tokens in a batch.</param>
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

    // The layers of this library keep the inputs of norms and projections, queries, keys, values, the attention output, and the intermediate values of the feed-forward. The float32 kernels compute the outputs of
    // RMSNorm and SwiGLU again.
    private static long ActivationsOf(TransformerSpec spec, long tokens, bool checkpointing, long elementSize)
    {
        long hidden = spec.HiddenSize, heads = (long)spec.HeadSize * (spec.HeadCount + 2 * spec.KeyValueHeadCount), intermediate = spec.IntermediateSize;
        var recomputes = elementSize == sizeof(float) && spec is { Norm: NormKind.Rms, GatedFeedForward: true, Activation.IsSilu: true };
        var layer = heads + (recomputes ? 3 * hidden + 2 * intermediate : 5 * hidden + (spec.GatedFeedForward ? 3 : 2) * intermediate);
        var kept = checkpointing ? spec.LayerCount * hidden + layer : spec.LayerCount * layer;
        return tokens * kept * elementSize + ChunkBytes;
    }
}
