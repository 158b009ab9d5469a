using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// The soft prompt of a method. It precedes the input of the model, whereas an <see cref="AdapterLayer"/> wraps a module. Its tensors are saved
/// under their names without a prefix.
/// </summary>
/// <param name="model">The model.</param>
public abstract class PromptLayer(ModelTree model) : TensorOwner(Table(model).ComputeType, Table(model).Device)
{
    /// <summary>The model's sizes.</summary>
    protected PromptShape Shape { get; } = model.Prompted.PromptShape;

    /// <summary>Number of embeddings that precede the input.</summary>
    public virtual int EmbeddingCount => 0;

    /// <summary>Creates the virtual tokens for a forward pass. The model casts them to its dtype.</summary>
    /// <param name="tasks">The task of each row, <c>[rows]</c>, or of all rows, <c>[1]</c> (<see cref="PeftModel.Tasks"/>); null if none was set.</param>
    /// <param name="training">True if the model is in training mode.</param>
    protected internal abstract VirtualTokens Make(Tensor? tasks, bool training);

    private static Target Table(ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.InputEmbeddings!;
    }
}
