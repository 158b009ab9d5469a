using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A transformer without its head: token ids to hidden states <c>[batch, sequence, hidden]</c>.</summary>
internal abstract class Backbone() : nn.Module<ModelInput, Tensor>("")
{
    /// <summary>The backbone of a description.</summary>
    public static Backbone Create(TransformerSpec spec, Placement at)
        => spec.Encoder is null ? new Transformer(spec, at) : new EncoderDecoder(spec, at);

    // The description names the modules, not the fields.
    /// <inheritdoc/>
    protected override void RegisterComponents() { }

    /// <summary>The token embedding.</summary>
    public abstract Embedding Embedding { get; }

    /// <summary>Whether layers are run again in the backward pass instead of keeping what they computed.</summary>
    public abstract bool CheckpointActivations { get; set; }

    /// <summary>Runs layers in another order, until the result is disposed.</summary>
    /// <param name="order">The layer at each place.</param>
    /// <param name="isActive">Asked in each pass: whether it runs in this order.</param>
    public abstract IDisposable Reorder(IReadOnlyList<int> order, Func<bool> isActive);

    /// <summary>Registers the modules in a model, below a path; right in the model if the path is empty.</summary>
    public void PlaceInto(nn.Module model, string path)
    {
        if (path.Length > 0) model.Place(path, this);
        else foreach (var (name, child) in named_children()) model.register_module(name, child);
    }
}
