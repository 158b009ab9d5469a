using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A transformer without its head: token ids to hidden states <c>[batch, sequence, hidden]</c>.</summary>
internal abstract class Backbone() : nn.Module<ModelInput, Tensor>("")
{
    /// <summary>Creates the backbone of a description.</summary>
    public static Backbone Create(TransformerSpec spec, Placement at)
        => spec.Encoder is null ? new Transformer(spec, at) : new EncoderDecoder(spec, at);

    // The modules are registered under the names of the architecture's description, not under the field names.
    /// <inheritdoc/>
    protected override void RegisterComponents() { }

    /// <summary>The token embedding.</summary>
    public abstract Embedding Embedding { get; }

    /// <summary>True if layers run again in the backward pass instead of keeping their activations.</summary>
    public abstract bool CheckpointActivations { get; set; }

    /// <summary>Runs the layers in a different order until the result is disposed.</summary>
    /// <param name="order">Index of the layer at each position.</param>
    /// <param name="isActive">Called in each forward pass: true to use this order.</param>
    public abstract IDisposable Reorder(IReadOnlyList<int> order, Func<bool> isActive);

    /// <summary>The layers in the order of execution; empty if they cannot run individually.</summary>
    public virtual IReadOnlyList<TransformerLayer> Layers => [];

    /// <inheritdoc cref="Quantization.ILayeredModel.RunOnly"/>
    public virtual IDisposable RunOnly(int layer, Tensor? input, Action<Tensor> output) => throw new InvalidOperationException("The layers cannot run individually.");

    /// <summary>Registers the modules in a model, below a path; directly in the model if the path is empty.</summary>
    public void PlaceInto(nn.Module model, string path)
    {
        if (path.Length > 0) model.Place(path, this);
        else foreach (var (name, child) in named_children()) model.register_module(name, child);
    }
}
