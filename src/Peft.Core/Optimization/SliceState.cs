using static TorchSharp.torch;

namespace Peft;

/// <summary>The state of one tensor, created on first use.</summary>
internal readonly struct SliceState(SliceOptimizer owner, FlatSlice slice)
{
    /// <summary>Name of the tensor.</summary>
    public string TensorName => slice.Tensor.Name;

    /// <summary>True if the state exists.</summary>
    public bool Has(string name) => owner.StateOf(slice.Tensor.Name).ContainsKey(name);

    /// <summary>Returns a state tensor, initialized to 0 on first use.</summary>
    /// <param name="name">Name of the state, such as <c>exp_avg</c>.</param>
    /// <param name="like">The values, for dtype and device.</param>
    /// <param name="shape">Shape; that of the values if empty.</param>
    public Tensor Zeros(string name, Tensor like, params ReadOnlySpan<long> shape)
    {
        var own = owner.StateOf(slice.Tensor.Name);
        return own.TryGetValue(name, out var found) ? found : own[name] = owner.Zeros(shape.IsEmpty ? like.shape : shape.ToArray(), like.dtype, like.device);
    }

    /// <summary>Replaces a state tensor.</summary>
    public Tensor Set(string name, Tensor value)
    {
        var own = owner.StateOf(slice.Tensor.Name);
        if (owner.IsPaged)
        {
            if (!own.TryGetValue(name, out var paged)) own[name] = paged = owner.Zeros(value.shape, value.dtype, value.device);
            return paged.copy_(value);
        }
        if (own.Remove(name, out var old)) old.Dispose();
        return own[name] = value.DetachFromDisposeScope();
    }

    /// <summary>Counts a step of this tensor. Returns the count, from 1.</summary>
    public long Count()
    {
        var own = owner.StateOf(slice.Tensor.Name);
        if (!own.TryGetValue("steps", out var steps)) own["steps"] = steps = zeros(1, ScalarType.Int64).DetachFromDisposeScope();
        return steps.add_(Constant(1), One).item<long>();
    }
}
