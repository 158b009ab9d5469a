using Peft.Kernels;
using Peft.Modules;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The memory in bytes that training an adapter of a language model takes. It is computed on the meta device, without the model's weights, for models of any size.</summary>
/// <remarks>A process takes more: the libraries need memory, and the allocator keeps freed memory (measured in docs/quantization.md).</remarks>
/// <param name="Weights">The frozen weights, including the scales of quantized ones.</param>
/// <param name="Adapter">The trained parameters and their gradients.</param>
/// <param name="Optimizer">The optimizer's state in memory, such as the moments of AdamW.</param>
/// <param name="Activations">Estimate of the activations that a training step keeps for its backward pass, and of one chunk of logits.</param>
public sealed record TrainingMemory(long Weights, long Adapter, long Optimizer, long Activations)
{
    // The loss keeps three float32 tensors of 2²² values for each chunk of logits.
    private const long ChunkBytes = 3L * 4 * (1 << 22);

    /// <summary>The optimizer's state if it is in files (<see cref="AdamWOptions.Paged"/>), which is no part of <see cref="Total"/>.</summary>
    public long Paged { get; init; }

    /// <summary>The sum of weights, adapter, optimizer and activations.</summary>
    public long Total => Weights + Adapter + Optimizer + Activations;

    /// <summary>Computes the memory that training an adapter takes.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="adapter">Options of the adapter.</param>
    /// <param name="load">Dtype and quantization of the weights; float32 if null.</param>
    /// <param name="tokens">Number of tokens in a batch.</param>
    /// <param name="checkpointing">True if activations are checkpointed (<see cref="PretrainedModel.CheckpointActivations"/>).</param>
    /// <param name="optimizer">The optimizer; AdamW if null.</param>
    /// <exception cref="UnsupportedModelException">The configuration requires a feature that is not implemented.</exception>
    /// <exception cref="AdapterOptionsException">The adapter does not fit the model.</exception>
    /// <exception cref="ArgumentException">A setting of the optimizer is out of range.</exception>
    public static TrainingMemory Of(ModelConfig config, AdapterOptions adapter, LoadOptions? load = null, long tokens = 1024, bool checkpointing = false, FlatOptimizerOptions? optimizer = null)
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
        optimizer ??= new AdamWOptions();
        var state = StateOf(peft, optimizer);
        return new(weights, 2 * sizeof(float) * trained, optimizer.IsPaged ? 0 : state, activations) { Paged = optimizer.IsPaged ? state : 0 };
    }

    // A step on the meta device creates the state.
    private static long StateOf(PeftModel peft, FlatOptimizerOptions options)
    {
        using var parameters = new FlatParameters(peft.Trainables, options.Groups);
        using var optimizer = options.Create(parameters, learningRate: 0);
        optimizer.BeginStep();
        optimizer.Step();
        return optimizer.GetState().Values.Sum(value => value.is_meta ? value.numel() * value.ElementSize : 0);
    }

    private static long WeightsOf(CausalLM model, QuantizationOptions? quantization)
    {
        var bytes = model.parameters().Sum(parameter => parameter.numel() * parameter.ElementSize);
        if (quantization is null) return bytes;
        foreach (var (weight, kind) in ModelQuantization.QuantizableWeights(model, quantization))
            bytes += (long)Math.Ceiling(weight.numel() * kind.BitsPerValue / 8) - weight.numel() * weight.ElementSize;
        return bytes;
    }

    // The layers of this library keep the inputs of norms and projections, queries, keys, values, the attention output, and the intermediate values of the feed-forward. Layers that are nodes, in float32, compute the outputs of
    // norms and activations again, and in long batches without checkpointing also queries, keys, values and attended states.
    private static long ActivationsOf(TransformerSpec spec, long tokens, bool checkpointing, long elementSize)
    {
        long hidden = spec.HiddenSize, heads = (long)spec.HeadSize * (spec.HeadCount + 2 * spec.KeyValueHeadCount), intermediate = spec.IntermediateSize;
        var isNode = elementSize == sizeof(float) && !spec.PostNorm && !spec.FusedGate && ActivationKernel.Supports(spec.Activation.Name);
        var layer = !isNode ? heads + 5 * hidden + (spec.GatedFeedForward ? 3 : 2) * intermediate
            : (!checkpointing && tokens * heads > SelfAttention.MinRecomputed ? 2 * hidden : heads + 3 * hidden) + (spec.GatedFeedForward ? 2 : 1) * intermediate;
        var kept = checkpointing ? spec.LayerCount * hidden + layer : spec.LayerCount * layer;
        return tokens * kept * elementSize + ChunkBytes;
    }
}
