using static TorchSharp.torch;

namespace Peft;

/// <summary>The low-rank updates of several adapters at one module, with smaller ranks padded with zeros, for a batch with different adapters per row.</summary>
internal sealed class StackedUpdates : IDisposable
{
    private readonly Tensor a;        // [adapters, in, rank]
    private readonly Tensor b;        // [adapters, rank, out], scaled
    private readonly Tensor? groups;  // [rows]; null if row i uses adapter i

    private StackedUpdates(Tensor a, Tensor b, Tensor? groups) => (this.a, this.b, this.groups) = (a, b, groups);

    /// <summary>Dtype of the factors.</summary>
    public ScalarType Type => a.dtype;

    /// <summary>Stacks updates; null if their dtypes or shapes differ.</summary>
    /// <param name="updates">The update of each adapter; null for none.</param>
    /// <param name="groupOf">The index of each row's adapter.</param>
    public static StackedUpdates? Of(IReadOnlyList<LowRankUpdate?> updates, long[] groupOf)
    {
        if (updates.OfType<LowRankUpdate>().ToArray() is not [var first, ..] given) return null;
        if (given.Any(each => each.A.dtype != first.A.dtype || each.B.dtype != first.A.dtype || each.A.size(1) != first.A.size(1) || each.B.size(0) != first.B.size(0))) return null;
        var rank = given.Max(each => each.A.size(0));
        var a = zeros([updates.Count, rank, first.A.size(1)], first.A.dtype, first.A.device);
        var b = zeros([updates.Count, rank, first.B.size(0)], first.A.dtype, first.A.device);
        for (var i = 0; i < updates.Count; i++)
        {
            if (updates[i] is not { } each) continue;
            a[i].narrow(0, 0, each.A.size(0)).copy_(each.A);
            b[i].narrow(0, 0, each.A.size(0)).copy_(each.B.t().mul(Constant(each.Scale)));
        }
        var own = groupOf.Select((group, row) => group == row).All(same => same);
        return new(a.transpose(1, 2), b, own ? null : tensor(groupOf, device: a.device));
    }

    /// <summary>Adds each row's update to the module's output.</summary>
    /// <param name="output"><c>[rows, …, out]</c></param>
    /// <param name="input"><c>[rows, …, in]</c></param>
    public Tensor Add(Tensor output, Tensor input)
    {
        var (x, y) = input.dim() == 2 ? (input.unsqueeze(1), output.unsqueeze(1)) : (input, output);
        var (down, up) = groups is null ? (a, b) : (a.index_select(0, groups), b.index_select(0, groups));
        return y.add(x.bmm(down).bmm(up), One).view(output.Sizes());
    }

    /// <summary>Keeps the factors beyond the dispose scope.</summary>
    public void Detach()
    {
        a.DetachFromDisposeScope();
        b.DetachFromDisposeScope();
        groups?.DetachFromDisposeScope();
    }

    public void Dispose()
    {
        a.Dispose();
        b.Dispose();
        groups?.Dispose();
    }
}
