using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Rows of a trained table. Its gradient is added to the rows that were looked up, instead of making a table of zeros and adding all of it. On the CPU in float32.</summary>
internal sealed class TableRows : GraphNode<TableRows>
{
    /// <summary>True if the kernel supports such tensors, and a gradient of the table is needed.</summary>
    /// <param name="ids"><c>[count]</c></param>
    /// <param name="table"><c>[rows, size]</c></param>
    public static bool Supports(Tensor ids, Tensor table) => TensorMemory.RequiresGrad(table) && TensorMemory.Supports(table) && table.is_contiguous() && ids.dtype == ScalarType.Int64 && ids.is_contiguous();

    /// <returns><c>[count, size]</c></returns>
    public static Tensor Run(Tensor ids, Tensor table) => Record(ids, table)[0];

    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (ids, table) = ((Tensor)arguments[0], (Tensor)arguments[1]);
        context.save_for_backward([ids, table]);
        return [table.index_select(0, ids)];
    }

    protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
    {
        var saved = context.get_saved_variables();
        return [null, TrainedGradient.Of(saved[1]).AddRows(saved[0], gradients[0]).Result];
    }
}
