using static TorchSharp.torch;

namespace Peft;

/// <summary>One adapter of a model: its options and its layers.</summary>
public sealed class Adapter : IDisposable
{
    // In the base model's file "base_model.model." stands for the wrapper that Hugging Face PEFT puts around it.
    private const string ModulePrefix = "base_model.model.";
    private const string SharedPrefix = "base_model.";

    internal Adapter(string name, AdapterPlan plan)
    {
        Name = name;
        Options = plan.Options;
        Layers = plan.Layers;
        Shared = plan.Shared;
    }

    /// <summary>The name that it goes by in its model.</summary>
    public string Name { get; internal set; }

    /// <summary>Its options, as they are saved.</summary>
    public AdapterOptions Options { get; set; }

    /// <summary>Its layers; those of one module from the innermost outwards.</summary>
    public IReadOnlyList<AdapterLayer> Layers { get; internal set; }

    /// <summary>Tensors that the layers share, or null.</summary>
    public SharedTensors? Shared { get; }

    /// <summary>Whether training leaves it alone.</summary>
    public bool IsFrozen { get; internal set; }

    /// <summary>What its user should know, such as that it was trained on a base model of another name or that an exclusion matches nothing; empty if there is nothing.</summary>
    public IReadOnlyList<string> Warnings { get; internal init; } = [];

    /// <summary>All tensors with their keys in <c>adapter_model.safetensors</c>.</summary>
    public IEnumerable<(string Key, AdapterTensor Tensor)> Tensors => Owned.Select(each => (each.Key, each.Tensor));

    internal IEnumerable<(string Key, AdapterTensor Tensor, TensorOwner Owner)> Owned
        => (Shared?.Tensors ?? []).Select(tensor => (SharedPrefix + tensor.Name, tensor, (TensorOwner)Shared!))
            .Concat(Layers.SelectMany(layer => layer.Tensors.Select(tensor => (KeyOf(layer.Target, tensor.Name), tensor, (TensorOwner)layer))));

    /// <summary>The form of each saved tensor in the file. Views where that is the tensor itself.</summary>
    internal IEnumerable<(string Key, Tensor Value)> SavedTensors
        => (Shared?.Tensors ?? []).Where(tensor => tensor.IsSaved).Select(tensor => (SharedPrefix + tensor.Name, Shared!.ToSaved(tensor)))
            .Concat(Layers.SelectMany(layer => layer.Tensors.Where(tensor => tensor.IsSaved).Select(tensor => (KeyOf(layer.Target, tensor.Name), layer.ToSaved(tensor)))))
            .Concat(Layers.SelectMany(layer => layer.SavedCopies.Select(pair => (KeyOf(layer.Target, pair.Key), pair.Value))));

    internal void Loaded()
    {
        Shared?.Loaded();
        foreach (var layer in Layers) layer.Loaded();
    }

    /// <summary>Key of a layer's tensor in the file.</summary>
    public static string KeyOf(Target target, string name)
        => target.Path.Length == 0 ? ModulePrefix + name : $"{ModulePrefix}{target.Path}.{name}";

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var layer in Layers) layer.Dispose();
        Shared?.Dispose();
    }
}
