using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft;

/// <summary>A second set of gradients, separate from those of the parameters, for a part of a batch. It covers all tensors that currently require gradients.</summary>
internal sealed class GradientCopy : IDisposable
{
    private readonly FlatParameters parameters;
    private readonly Tensor[] flats;    // one per buffer
    private readonly Tensor[] slices;   // one per trained tensor, in the parameters' order

    public GradientCopy(FlatParameters parameters)
    {
        this.parameters = parameters;
        using var _ = no_grad();
        flats = [.. parameters.Buffers.Select(buffer => zeros_like(buffer.Gradients).DetachFromDisposeScope())];
        var byName = parameters.Buffers.SelectMany((buffer, i) => buffer.Slices.Select(slice => (slice, i))).ToDictionary(pair => pair.slice.Tensor.Name);
        slices = [.. parameters.Trained.Select(tensor => byName[tensor.Name]).Select(pair => parameters.Buffers[pair.i].GradientSlice(pair.slice).Of(flats[pair.i]).DetachFromDisposeScope())];
        Reached = new bool[slices.Length];
    }

    /// <summary>For each tensor, true if it received a gradient.</summary>
    public bool[] Reached { get; }

    /// <summary>Adds gradients in the order of the parameters. An invalid tensor counts as 0.</summary>
    /// <param name="gradients">The gradients.</param>
    /// <param name="first">True to begin anew.</param>
    public void Add(IList<Tensor> gradients, bool first)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        for (var i = 0; i < slices.Length; i++)
        {
            var reached = !gradients[i].IsInvalid;
            Reached[i] = reached || (!first && Reached[i]);
            if (reached && first) FlatKernel.Copy(slices[i], gradients[i]);
            else if (reached) slices[i].add_(gradients[i], One);
            else if (first) slices[i].zero_();
        }
    }

    /// <summary>Adds the gradients to those of the parameters, which must be bound.</summary>
    public void Give()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        for (var i = 0; i < flats.Length; i++) FlatKernel.Add(parameters.Buffers[i].Gradients, flats[i]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in slices) tensor.Dispose();
        foreach (var tensor in flats) tensor.Dispose();
    }
}
