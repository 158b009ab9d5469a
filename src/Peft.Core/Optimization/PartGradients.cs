using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Takes the gradients of a part of a batch, for all tensors that currently require gradients. Those of the first part are added to the parameters' gradients at once. Those of any other are in a copy until
/// <see cref="Give"/>, so that the order of the sums does not depend on the threads. Kernels add to the same memory (<see cref="DirectGradients"/>).
/// </summary>
internal sealed class PartGradients : IDisposable
{
    private readonly FlatParameters parameters;
    private readonly Tensor[] copies;   // one per buffer; none for the first part
    private readonly Tensor[] slices;   // one per trained tensor, in the parameters' order
    private readonly Dictionary<nint, int> places = [];   // indices of slices by the address of their tensor's values
    private bool clean = true;   // false from the first gradient in a copy until it is given

    public PartGradients(FlatParameters parameters, bool isFirst)
    {
        this.parameters = parameters;
        using var _ = no_grad();
        copies = isFirst ? [] : [.. parameters.Buffers.Select(buffer => zeros_like(buffer.Gradients).DetachFromDisposeScope())];
        var byName = parameters.Buffers.SelectMany((buffer, i) => buffer.Slices.Select(slice => (slice, i))).ToDictionary(pair => pair.slice.Tensor.Name);
        slices =
        [
            .. parameters.Trained.Select(tensor => byName[tensor.Name])
                .Select(pair => parameters.Buffers[pair.i].GradientSlice(pair.slice).Of(isFirst ? parameters.Buffers[pair.i].Gradients : copies[pair.i]).DetachFromDisposeScope()),
        ];
        Tensors = [.. parameters.Trained.Select(tensor => tensor.Value)];
        Reached = new bool[slices.Length];
        for (var i = 0; i < slices.Length; i++)
            if (TensorMemory.Supports(slices[i], parameters.Trained[i].Value)) places.TryAdd(TensorAddress.Of(parameters.Trained[i].Value), i);
    }

    /// <summary>The tensors, in the parameters' order.</summary>
    public Tensor[] Tensors { get; }

    /// <summary>A tensor that requires grad (<see cref="DirectGradients.Anchor"/>).</summary>
    public Tensor Anchor { get; } = zeros(1, requires_grad: true).DetachFromDisposeScope();

    /// <summary>For each tensor, true if it received a gradient.</summary>
    public bool[] Reached { get; }

    /// <summary>Begins the backward passes of a part.</summary>
    public void Begin()
    {
        if (!clean) Clear();   // passes that failed left values
        clean = false;
        Array.Clear(Reached);
    }

    /// <summary>Adds gradients in the order of the parameters. An invalid tensor counts as 0.</summary>
    public void Add(IList<Tensor> gradients)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        for (var i = 0; i < slices.Length; i++)
        {
            if (gradients[i].IsInvalid) continue;
            Reached[i] = true;
            FlatKernel.Add(slices[i], gradients[i]);
        }
    }

    /// <summary>The address to which gradients of a tensor are to be added; 0 if it is not one of the trained tensors.</summary>
    public nint Place(Tensor trained)
    {
        if (!places.TryGetValue(TensorAddress.Of(trained), out var i) || !trained.is_leaf || !trained.requires_grad || trained.numel() != slices[i].numel()) return 0;
        Reached[i] = true;
        return TensorAddress.Of(slices[i]);
    }

    /// <summary>Adds a copy to the gradients of the parameters, which must be bound, and frees its memory until the next pass.</summary>
    public void Give()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        for (var i = 0; i < copies.Length; i++) FlatKernel.Add(parameters.Buffers[i].Gradients, copies[i]);
        Clear();
        clean = true;
    }

    private void Clear()
    {
        foreach (var copy in copies) parameters.Clear(copy);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Anchor.Dispose();
        foreach (var tensor in slices) tensor.Dispose();
        foreach (var tensor in copies) tensor.Dispose();
    }
}
