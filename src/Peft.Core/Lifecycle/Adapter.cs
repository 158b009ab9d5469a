using static TorchSharp.torch;

namespace Peft;

/// <summary>One adapter of a model: its options and its layers.</summary>
public sealed class Adapter
{
    // In keys, "base_model.model." is the path of the base model in Hugging Face PEFT's wrapper.
    internal const string ModulePrefix = "base_model.model.";
    private const string SharedPrefix = "base_model.";

    private readonly Dictionary<object, AdapterLayer[]> layersOf;
    private int holders = 1;

    internal Adapter(string name, AdapterPlan plan)
    {
        Name = name;
        Options = plan.Options;
        Layers = plan.Layers;
        layersOf = Layers.GroupBy(layer => layer.Target.Key, ReferenceEqualityComparer.Instance).ToDictionary(group => group.Key!, group => group.ToArray(), ReferenceEqualityComparer.Instance);
        Shared = plan.Shared;
        Prompt = plan.Prompt;
        Parts = plan.Parts;
    }

    /// <summary>Name of the adapter in its model.</summary>
    public string Name { get; internal set; }

    /// <summary>The options, as they are saved.</summary>
    public AdapterOptions Options { get; set; }

    /// <summary>The layers. Those of the same module are ordered from the innermost to the outermost.</summary>
    public IReadOnlyList<AdapterLayer> Layers { get; }

    /// <summary>Returns the layers at a module.</summary>
    internal AdapterLayer[] At(Target target) => layersOf.GetValueOrDefault(target.Key) ?? [];

    /// <summary>Tensors that the layers share, or null.</summary>
    public SharedTensors? Shared { get; }

    /// <summary>The soft prompt that is prepended to the model's input, or null.</summary>
    public PromptLayer? Prompt { get; }

    /// <summary>Adapters whose layers this one uses.</summary>
    internal IReadOnlyList<Adapter> Parts { get; }

    /// <summary>True if the adapter is not trainable.</summary>
    public bool IsFrozen { get; internal set; }

    /// <summary>True if the adapter was trained, loaded from a file or made from other adapters.</summary>
    internal bool HasLearned { get; set; }

    /// <summary>Warnings for the user, such as a base model with another name or an exclusion that matches nothing.</summary>
    public IReadOnlyList<string> Warnings { get; internal set; } = [];

    /// <summary>All tensors with their keys in <c>adapter_model.safetensors</c>.</summary>
    public IEnumerable<(string Key, AdapterTensor Tensor)> Tensors => Owned.Select(each => (each.Key, each.Tensor));

    internal IEnumerable<(string Key, AdapterTensor Tensor, TensorOwner Owner)> Owned
        => Owners.SelectMany(each => each.Owner.Tensors.Select(tensor => (each.Prefix + tensor.Name, tensor, each.Owner)));

    // The owners of tensors, with the prefix of their keys.
    private IEnumerable<(string Prefix, TensorOwner Owner)> Owners
        => new (string, TensorOwner?)[] { (SharedPrefix, Shared), ("", Prompt) }.Where(each => each.Item2 is not null).Select(each => (each.Item1, each.Item2!))
            .Concat(Layers.Select(layer => (Key(layer.Target, ""), (TensorOwner)layer)));

    /// <summary>The saved form of each tensor. It is a view if the tensor is saved unchanged.</summary>
    internal IEnumerable<(string Key, Tensor Value)> SavedTensors
        => Owned.Where(each => each.Tensor.IsSaved).Select(each => (each.Key, each.Owner.ToSaved(each.Tensor))).Concat(SavedCopies);

    /// <summary>Additional tensors in the file, which are not loaded.</summary>
    internal IEnumerable<(string Key, Tensor Value)> SavedCopies
        => Owners.SelectMany(each => ((each.Owner as ISavesCopies)?.SavedCopies ?? new Dictionary<string, Tensor>()).Select(pair => (each.Prefix + pair.Key, pair.Value)));

    internal void Loaded()
    {
        HasLearned = true;
        foreach (var (_, owner) in Owners) owner.Loaded();
    }

    /// <summary>Returns the key of a layer's tensor in the file, for most methods.</summary>
    public static string KeyOf(Target target, string name)
    {
        ArgumentNullException.ThrowIfNull(target);
        return KeyOf(ModulePrefix, target.Path, name);
    }

    /// <summary>Returns the key of a tensor of a module that is not a target, for most methods.</summary>
    public static string KeyOf(string path, string name)
    {
        ArgumentNullException.ThrowIfNull(path);
        return KeyOf(ModulePrefix, path, name);
    }

    /// <summary>Returns the key of a layer's tensor in this adapter's file.</summary>
    internal string Key(Target target, string name) => KeyOf(Options.ModulePrefix, target.Path, name);

    private static string KeyOf(string prefix, string path, string name) => path.Length == 0 ? prefix + name : $"{prefix}{path}.{name}";

    /// <summary>Keeps the tensors alive until a matching call of <see cref="Release"/>, even after the model has deleted the adapter.</summary>
    internal void Retain() => Interlocked.Increment(ref holders);

    internal void Release()
    {
        if (Interlocked.Decrement(ref holders) > 0) return;
        foreach (var (_, owner) in Owners) owner.Dispose();
    }
}
