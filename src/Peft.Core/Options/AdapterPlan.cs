namespace Peft;

/// <summary>The plan of an adapter for a model.</summary>
/// <param name="Options">The options as saved, with defaults resolved for the model.</param>
/// <param name="Layers">The layers. Those of the same module are ordered from the innermost to the outermost.</param>
/// <param name="Shared">Tensors that the layers share.</param>
/// <param name="Prompt">The soft prompt that is prepended to the model's input.</param>
public sealed record AdapterPlan(AdapterOptions Options, IReadOnlyList<AdapterLayer> Layers, SharedTensors? Shared = null, PromptLayer? Prompt = null)
{
    /// <summary>Adapters of the model whose layers this one uses. They cannot be deleted while it exists.</summary>
    public IReadOnlyList<Adapter> Parts { get; init; } = [];

    /// <summary>
    /// Returns the shape if an adapter may allocate a tensor of that shape. <see cref="TensorOwner"/> checks its own tensors; a method checks those that it allocates
    /// itself.
    /// </summary>
    /// <param name="device">Device of the tensor. On the meta device, every shape is allowed.</param>
    /// <param name="shape">The shape of a tensor of 32-bit values.</param>
    /// <exception cref="AdapterOptionsException">
    /// The tensor exceeds the machine's memory or, for an adapter that is being loaded, the limit that follows from its file and its model.
    /// </exception>
    public static long[] Allow(TorchSharp.torch.Device device, params long[] shape)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(shape);
        return TensorBudget.Take(shape, TorchSharp.torch.ScalarType.Float32, device);
    }
}
