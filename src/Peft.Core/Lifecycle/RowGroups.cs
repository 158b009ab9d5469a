using static TorchSharp.torch;

namespace Peft;

/// <summary>A mixed batch at one site: groups the rows by adapter, runs each group through its adapter, and restores the order of rows.</summary>
internal sealed class RowGroups
{
    private readonly string path;
    private readonly int count;
    private readonly (long[] Rows, AdapterLayer[] Layers)[] groups;
    private readonly long[] order;   // index of each row in the concatenated groups

    public RowGroups(Target target, IReadOnlyList<Adapter?> adapters)
    {
        path = target.Path;
        count = adapters.Count;
        groups = [.. adapters.Select((adapter, row) => (adapter, row)).GroupBy(pair => pair.adapter)
            .Select(group => (group.Select(pair => (long)pair.row).ToArray(), group.Key?.At(target) ?? []))];
        order = new long[count];
        long position = 0;
        foreach (var row in groups.SelectMany(group => group.Rows)) order[row] = position++;
    }

    public Tensor Forward(AdapterSite site, Tensor input)
    {
        if (input.shape[0] != count)
            throw new PeftException($"{path} got a batch of {input.shape[0]} rows, but adapters were named for {count} rows. Name one adapter (or {nameof(PeftModel)}.{nameof(PeftModel.Base)}) per row.");
        if (groups.Length == 1) return site.Forward(groups[0].Layers, input, null);
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
}
