using static TorchSharp.torch;

namespace Peft;

/// <summary>An optimizer that updates each tensor separately, with torch operations on any device. A subclass implements the update of one tensor.</summary>
internal abstract class SliceOptimizer(FlatParameters parameters, double learningRate, FlatOptimizerOptions options) : FlatOptimizer(parameters, learningRate, options)
{
    private readonly Dictionary<string, Dictionary<string, Tensor>> states = new(StringComparer.Ordinal);

    /// <summary>Updates one tensor in place.</summary>
    /// <param name="value">The values of the tensor, in its shape.</param>
    /// <param name="gradient">Their gradient. It may be changed.</param>
    /// <param name="state">The state of this tensor.</param>
    /// <param name="rate">Learning rate of this step.</param>
    /// <param name="decay">Weight decay.</param>
    private protected abstract void Update(Tensor value, Tensor gradient, SliceState state, double rate, double decay);

    /// <summary>False to leave a tensor unchanged in this step.</summary>
    private protected virtual bool IsTrained(FlatSlice slice) => true;

    private protected override void Update(double scheduleFactor)
    {
        foreach (var buffer in Parameters.Buffers)
            foreach (var range in buffer.Ranges)
            {
                var (rate, decay) = RateAndDecay(range.Group, scheduleFactor);
                foreach (var slice in buffer.Slices.Where(slice => slice.Length > 0 && slice.Start >= range.Start && slice.Start < range.Start + range.Length && IsTrained(slice)))
                {
                    using var each = NewDisposeScope();
                    Update(slice.Of(buffer.Values), buffer.GradientOf(slice), new SliceState(this, slice), rate, decay);
                }
            }
    }

    /// <summary>Creates a state tensor of zeros, outside any dispose scope.</summary>
    internal Tensor Zeros(long[] shape, ScalarType type, Device device) => Pages?.Zeros(shape, type) ?? zeros(shape, type, device).DetachFromDisposeScope();

    /// <summary>True if state tensors keep their memory when their values are replaced.</summary>
    internal bool IsPaged => Pages is not null;

    /// <summary>Returns the state tensors of a tensor, by name.</summary>
    internal Dictionary<string, Tensor> StateOf(string name) => states.TryGetValue(name, out var found) ? found : states[name] = new(StringComparer.Ordinal);

    /// <summary>Deletes the state of the tensors that are selected by name.</summary>
    private protected void Forget(Func<string, bool> chosen)
    {
        foreach (var name in states.Keys.Where(chosen).ToList())
        {
            foreach (var tensor in states[name].Values) tensor.Dispose();
            states.Remove(name);
        }
    }

    private protected override IEnumerable<(string Name, Tensor Live)> LiveState()
        => states.SelectMany(own => own.Value.Select(pair => ($"{pair.Key}.{own.Key}", pair.Value.alias())));

    private protected override void Prepare(IReadOnlyDictionary<string, Tensor> saved)
    {
        Forget(_ => true);
        foreach (var tensor in Parameters.Tensors)
            foreach (var (name, value) in saved.Where(pair => pair.Key.EndsWith("." + tensor.Name, StringComparison.Ordinal) && !pair.Key[..^(tensor.Name.Length + 1)].Contains('.', StringComparison.Ordinal)))
                StateOf(tensor.Name)[name[..^(tensor.Name.Length + 1)]] = Zeros(value.shape, value.dtype, tensor.Value.device);
    }

    private protected override void Release()
    {
        Forget(_ => true);
        Pages?.Dispose();
    }
}
