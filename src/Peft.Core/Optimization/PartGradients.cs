using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Takes the gradients of a part of a batch, for all tensors that currently require gradients. Those of the first part are added to the parameters' gradients at once. Those of any other are in a copy until
/// <see cref="Give"/>, so that the order of the sums does not depend on the threads.
/// </summary>
internal sealed class PartGradients : IDisposable
{
    private readonly FlatParameters parameters;
    private readonly Tensor[] copies;   // one per buffer; none for the first part
    private readonly Tensor[] slices;   // one per trained tensor, in the parameters' order

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
        Reached = new bool[slices.Length];
    }

    /// <summary>For each tensor, true if it received a gradient.</summary>
    public bool[] Reached { get; }

    /// <summary>Adds gradients in the order of the parameters. An invalid tensor counts as 0.</summary>
    /// <param name="gradients">The gradients.</param>
    /// <param name="first">True for the first ones of a backward pass.</param>
    public void Add(IList<Tensor> gradients, bool first)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var begins = first && copies.Length > 0;   // a pass that failed may have left values in the copy
        for (var i = 0; i < slices.Length; i++)
        {
            var reached = !gradients[i].IsInvalid;
            Reached[i] = reached || (!first && Reached[i]);
            if (reached && begins) FlatKernel.Copy(slices[i], gradients[i]);
            else if (reached) FlatKernel.Add(slices[i], gradients[i]);
            else if (begins) FlatKernel.Clear(slices[i]);
        }
    }

    /// <summary>Adds a copy to the gradients of the parameters, which must be bound, and frees its memory until the next pass.</summary>
    public void Give()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        for (var i = 0; i < copies.Length; i++)
        {
            FlatKernel.Add(parameters.Buffers[i].Gradients, copies[i]);
            ZeroPages.Fill(copies[i]);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in slices) tensor.Dispose();
        foreach (var tensor in copies) tensor.Dispose();
    }
}
