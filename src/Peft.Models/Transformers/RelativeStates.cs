using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The embeddings of relative positions of disentangled attention, as the layers of a forward pass read them.</summary>
/// <param name="States">The table, normalized: <c>[1, 2·span, hidden]</c>.</param>
/// <param name="ContentToPosition">Row of the table for each query and key, <c>[queries, keys]</c>.</param>
/// <param name="PositionToContent">Row of the table for each key and query, <c>[keys, queries]</c>.</param>
internal sealed record RelativeStates(Tensor States, Tensor ContentToPosition, Tensor PositionToContent) : IDisposable
{
    /// <summary>Detaches the tensors from the current dispose scope: the holder disposes them.</summary>
    public RelativeStates Detach()
    {
        foreach (var each in new[] { States, ContentToPosition, PositionToContent }) each.DetachFromDisposeScope();
        return this;
    }

    public void Dispose()
    {
        States.Dispose();
        ContentToPosition.Dispose();
        PositionToContent.Dispose();
    }
}
