using Peft.Kernels;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// A batch with different adapters per row, at one site. Without gradients, the module's own product is computed once for all rows, and low-rank updates are added for all rows together. Otherwise, rows are grouped by adapter,
/// each group runs through its adapter, and the order of the rows is restored.
/// </summary>
internal sealed class RowGroups
{
    private readonly int count;
    private readonly (long[] Rows, AdapterLayer[] Layers)[] groups;
    private readonly long[] order;   // index of each row in the concatenated groups
    private readonly long[] groupOf;   // group of each row
    private readonly Target target;
    private StackedUpdates? stacked;
    private DecodeUpdate[]? steps;

    public RowGroups(Target target, IReadOnlyList<Adapter?> adapters)
    {
        this.target = target;
        count = adapters.Count;
        groups = [.. adapters.Select((adapter, row) => (adapter, row)).GroupBy(pair => pair.adapter)
            .Select(group => (group.Select(pair => (long)pair.row).ToArray(), group.Key?.At(target) ?? []))];
        order = new long[count];
        long position = 0;
        foreach (var row in groups.SelectMany(group => group.Rows)) order[row] = position++;
        groupOf = new long[count];
        for (var group = 0; group < groups.Length; group++)
            foreach (var row in groups[group].Rows) groupOf[row] = group;
    }

    // Factors with more elements than the matrix are no saving.
    private bool IsThin => target.IsProduct && Array.TrueForAll(groups, group => group.Layers is [] || (group.Layers is [ILowRank { IsLowRank: true }] && group.Layers[0].CostPerPosition is > 0 and var cost && cost < (double)target.In * target.Out));

    /// <param name="site">The site.</param>
    /// <param name="input">The module's input, with a row for each adapter.</param>
    /// <param name="keepsStacked">True if the stacked factors stay valid until <see cref="ForgetStacked"/>.</param>
    public Tensor Forward(AdapterSite site, Tensor input, bool keepsStacked = false)
    {
        if (input.size(0) != count)
            throw new PeftException($"{target.Path} received a batch of {input.size(0)} rows, but adapters were assigned to {count} rows. Pass one adapter (or {nameof(PeftModel)}.{nameof(PeftModel.Base)}) per row.");
        if (groups.Length == 1) return site.Forward(groups[0].Layers, input, null);
        if (Together(site, input, keepsStacked) is { } all) return all;
        using var scope = NewDisposeScope();
        var parts = groups.Select(group =>
        {
            var rows = tensor(group.Rows, device: input.device);
            using var part = ForwardPass.EnterRows(rows);
            var x = input.index_select(0, rows);
            return site.Forward(group.Layers, x, null);
        }).ToList();
        return cat(parts, 0).index_select(0, tensor(order, device: input.device)).MoveToOuterDisposeScope();
    }

    /// <summary>The low-rank updates of a decode step; null if the kernels do not support them.</summary>
    /// <param name="site">The site.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="keeps">True if the updates stay valid until <see cref="ForgetStacked"/>.</param>
    public DecodeUpdate[]? ForDecoding(AdapterSite site, int rows, bool keeps)
    {
        if (rows != count) return null;
        if (keeps && Volatile.Read(ref steps) is { } known) return known;
        var updates = new List<DecodeUpdate>(groups.Length);
        foreach (var (indices, layers) in groups)
        {
            if (layers.Length == 0) continue;
            if (site.UpdateOf(layers, indices.Length) is not { } factors || DecodeUpdate.Of(factors, indices, indices.Length) is not { } update) return null;
            updates.AddRange(update);
            keeps &= factors is { A: Parameter, B: Parameter };   // others may be freed after the step
        }
        DecodeUpdate[] all = [.. updates];
        if (keeps) Volatile.Write(ref steps, all);
        return all;
    }

    // Null if an adapter must process its rows separately.
    private Tensor? Together(AdapterSite site, Tensor input, bool keeps)
    {
        if (is_grad_enabled() || input.dim() is not (2 or 3) || !IsThin) return null;
        using var scope = NewDisposeScope();
        if (Steps(site, input) is { } step) return step.MoveToOuterDisposeScope();
        var updates = keeps ? Volatile.Read(ref stacked) : null;
        if (updates is null)
        {
            updates = StackedUpdates.Of(Array.ConvertAll(groups, Factors), groupOf);
            if (updates is null || updates.Type != input.dtype) return null;
            // The first of several threads keeps its tensors; those of the others are freed with the scope.
            if (keeps && Interlocked.CompareExchange(ref stacked, updates, null) is null) updates.Detach();
        }
        if (updates.Type != input.dtype) return null;
        var output = site.Forward([], input, null);
        return output.dtype != input.dtype ? null : updates.Add(output, input).MoveToOuterDisposeScope();
    }

    private static LowRankUpdate? Factors((long[] Rows, AdapterLayer[] Layers) group) => group.Layers is [ILowRank layer] ? layer.Factors() : null;

    // A decode step on the CPU: each row's factors are read in place.
    private Tensor? Steps(AdapterSite site, Tensor input)
    {
        if (input.numel() != count * input.size(-1)) return null;   // several positions per row
        var updates = Array.ConvertAll(groups, Factors);
        if (!updates.All(each => each is null || LowRankStep.Supports(input, each.A, each.B))) return null;
        var output = site.Forward([], input, null);
        if (output.dtype != input.dtype || !output.is_contiguous()) return null;
        var multiplications = updates.Zip(groups).Sum(pair => pair.First is { } each ? (each.A.numel() + each.B.numel()) * pair.Second.Rows.Length : 0);
        if (multiplications < LowRankStep.Worthwhile)
            for (var group = 0; group < groups.Length; group++) Add(group);
        else
            TensorMemory.Parallel(groups.Length, Add);
        return output;

        void Add(int group)
        {
            if (updates[group] is { } each) LowRankStep.Add(output, input, each.A, each.B, each.Scale, groups[group].Rows);
        }
    }

    /// <summary>Frees what was kept.</summary>
    public void ForgetStacked()
    {
        Interlocked.Exchange(ref stacked, null)?.Dispose();
        Volatile.Write(ref steps, null);
    }
}
