using static TorchSharp.torch;

namespace Peft;

/// <summary>Reads saved training state.</summary>
internal static class NamedTensors
{
    /// <summary>Finds a tensor by name and checks its shape.</summary>
    public static Tensor Get(IReadOnlyDictionary<string, Tensor> tensors, string name, long[] shape)
    {
        if (!tensors.TryGetValue(name, out var found))
            throw new TrainingException($"The saved training state has no tensor {name}: it belongs to another model or adapter.");
        if (!found.shape.AsSpan().SequenceEqual(shape))
            throw new TrainingException($"Tensor {name} of the saved training state has shape [{string.Join(", ", found.shape)}], "
                + $"but this model requires [{string.Join(", ", shape)}]: it belongs to another model or adapter.");
        return found;
    }
}
