using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// The tensors that a <see cref="StepsNode"/> keeps for its backward pass. In a pass that runs once, torch saves only those that other code could change: a saved tensor costs several calls and objects.
/// </summary>
internal sealed class NodeMemory
{
    private readonly Tensor?[] own;   // the tensors that torch does not save
    private readonly int[] places;   // indices of the others among those that it saves
    private readonly List<Tensor> saved = [];

    /// <summary>Keeps tensors.</summary>
    /// <param name="tensors">The tensors.</param>
    /// <param name="forward">The dispose scope of the node's forward pass: nothing else knows tensors in it.</param>
    public NodeMemory(List<Tensor> tensors, DisposeScope forward)
    {
        (own, places) = (new Tensor?[tensors.Count], new int[tensors.Count]);
        for (var i = 0; i < own.Length; i++)
        {
            var (tensor, isNew) = (tensors[i], forward.Contains(tensors[i]));
            if (SavedTensors.RunOnce && (isNew || tensor is Parameter))   // a trainer changes parameters only after the backward pass
            {
                if (isNew) SavedTensors.Hold(tensor);
                own[i] = tensor;
                continue;
            }
            if (isNew) tensor.MoveToOuterDisposeScope();   // torch saves it when the forward pass has ended
            places[i] = saved.Count;
            saved.Add(tensor);
        }
    }

    /// <summary>Saves those tensors that torch must save.</summary>
    public void Save(autograd.AutogradContext context) => context.save_for_backward(saved);

    /// <summary>All tensors, in the backward pass.</summary>
    public Tensor[] Get(autograd.AutogradContext context)
    {
        var (all, unpacked) = (new Tensor[own.Length], context.get_saved_variables());
        for (var i = 0; i < all.Length; i++) all[i] = own[i] ?? unpacked[places[i]];
        return all;
    }

    /// <summary>Frees some tensors: in a pass that runs once the values, else only the references to them.</summary>
    /// <param name="context">What torch saved.</param>
    /// <param name="all">All tensors (<see cref="Get"/>).</param>
    /// <param name="range">Those to free.</param>
    public void Free(autograd.AutogradContext context, Tensor[] all, Range range)
    {
        var (start, count) = range.GetOffsetAndLength(all.Length);
        for (var i = start; i < start + count; i++)
        {
            if (all[i] is not Parameter) all[i].Dispose();
            if (own[i] is null) SavedTensors.Free(context, places[i]);
        }
    }
}
