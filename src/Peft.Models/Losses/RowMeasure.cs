using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Computes values from rows of logits, such as the log-probability of a token, for losses over the vocabulary.</summary>
internal abstract class RowMeasure
{
    /// <summary>Number of values per row.</summary>
    public virtual int Count => 1;

    /// <summary>Computes the values, and their derivatives with respect to the rows, without the logits of all tokens; null if there is no kernel for it.</summary>
    /// <param name="rows">Hidden states <c>[rows, hidden]</c>.</param>
    /// <param name="head">The head <c>[vocabulary, hidden]</c>.</param>
    /// <param name="derivatives">Receives the derivatives <c>[rows, hidden]</c> of the only value; null for none.</param>
    /// <returns><c>[1, rows]</c></returns>
    public virtual Tensor? WithoutLogits(Tensor rows, Tensor head, Tensor? derivatives) => null;

    /// <summary>The values, <c>[count, rows]</c>, differentiable by autograd.</summary>
    /// <param name="logits">Logits <c>[rows, vocabulary]</c> in float32.</param>
    /// <param name="start">Index of the first row.</param>
    public abstract Tensor Values(Tensor logits, long start);

    /// <summary>The values, and the derivative of each with respect to the logits of its row, <c>[rows, vocabulary]</c>.</summary>
    /// <param name="logits">Logits <c>[rows, vocabulary]</c> in float32, which may be overwritten.</param>
    /// <param name="start">Index of the first row.</param>
    public virtual (Tensor Values, IReadOnlyList<Tensor> Slopes) Differentiate(Tensor logits, long start)
    {
        using var _ = enable_grad();
        var leaf = logits.detach().requires_grad_();
        var values = Values(leaf, start);
        var slopes = new List<Tensor>();
        for (var k = 0; k < Count; k++)
        {
            leaf.grad?.zero_();
            values[k].sum().backward(retain_graph: k < Count - 1);   // a row's values depend on its own logits only
            slopes.Add(leaf.grad!.clone());
        }
        return (values.detach(), slopes);
    }
}
