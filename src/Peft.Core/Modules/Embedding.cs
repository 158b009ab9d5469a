using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Modules;

/// <summary>Looks up rows in a table [rows, size]: ids <c>[…]</c> to <c>[…, size]</c>.</summary>
public sealed class Embedding(long rows, long size, ScalarType? dtype = null, Device? device = null)
    : AdaptableModule([rows, size], null, dtype, device)
{
    /// <inheritdoc/>
    public override Tensor Apply(Tensor input, Tensor weight, Tensor? bias) => Lookup(input, weight);

    internal override Tensor Apply(Tensor input, WeightStorage weight, Tensor? bias)
    {
        if (weight is not IReadsRows table) return base.Apply(input, weight, bias);
        using var flat = input.reshape(-1);
        using var found = table.ReadRows(flat);
        return found.view([.. input.Sizes(), weight.Shape[1]]);
    }

    /// <summary>Looks up the rows <c>[…, size]</c> of a table [rows, size] for ids <c>[…]</c>. Differentiable with respect to the table.</summary>
    public static Tensor Lookup(Tensor ids, Tensor table)
    {
        using var flat = ids.reshape(-1);
        using var rows = TableRows.Supports(flat, table) ? TableRows.Run(flat, table) : table.index_select(0, flat);
        return rows.view([.. ids.Sizes(), table.size(1)]);
    }
}
