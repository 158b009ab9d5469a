using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// What a method puts before the input of a whole model, as <see cref="AdapterLayer"/> is what it puts around a module. Its tensors are saved
/// under their bare names.
/// </summary>
/// <param name="model">The model.</param>
public abstract class PromptLayer(ModelTree model) : TensorOwner(Table(model).dtype, Table(model).device)
{
    /// <summary>The model's sizes.</summary>
    protected PromptShape Shape { get; } = model.Prompted.PromptShape;

    /// <summary>Embeddings before the input.</summary>
    public virtual int EmbeddingCount => 0;

    /// <summary>Embeddings before the decoder's input of an encoder-decoder model.</summary>
    public virtual int DecoderEmbeddingCount => 0;

    /// <summary>Positions before the input that are keys and values only.</summary>
    public virtual int PrefixCount => 0;

    /// <summary>How far each layer's part of the prefix is open; null (the default) for all the way.</summary>
    public virtual IReadOnlyList<PrefixGate>? Gates => null;

    /// <summary>The labels of the virtual tokens; null if the loss leaves them out.</summary>
    public virtual VirtualLabels? Labels => null;

    /// <summary>The virtual tokens for a forward pass. The model casts them to its type.</summary>
    /// <param name="tasks">The task of each row, <c>[rows]</c> or <c>[1]</c> for all (<see cref="PeftModel.Tasks"/>); null if none was given.</param>
    /// <param name="training">Whether the model is in training mode.</param>
    protected internal abstract VirtualTokens Make(Tensor? tasks, bool training);

    private static Tensor Table(ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.InputEmbeddings!.Weight;
    }
}
