using Peft.Kernels;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Trainable tensors and their gradients as slices of one flat tensor per dtype and device. An optimizer step,
/// clipping or zeroing then takes a few operations for any number of tensors. The parameter objects stay the same.
/// </summary>
/// <remarks>
/// Create it after the model has its final dtype and device, since <c>Module.to</c> creates new parameters. Slices are ordered by group, then as
/// given. Not thread-safe.
/// </remarks>
public sealed class FlatParameters : IDisposable
{
    private bool released;

    /// <summary>Moves the tensors into flat buffers. Values are kept; gradients are initialized to 0.</summary>
    /// <param name="tensors">Floating-point leaf tensors that require a gradient, each once, in the order to keep.</param>
    /// <param name="groups">Parameter groups. Tensors that match none form a last group with the optimizer's settings. If null, all tensors are in that group.</param>
    /// <exception cref="ArgumentException">
    /// There is no tensor, or a tensor or name occurs twice, or a tensor is not a leaf, does not require a gradient or is not floating-point.
    /// </exception>
    public FlatParameters(IEnumerable<TrainableTensor> tensors, IReadOnlyList<ParameterGroup>? groups = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        if (groups?.Any(group => group?.Matches is null) == true) throw new ArgumentException("A group is null, or its Matches is null.", nameof(groups));
        Trained = Tensors = [.. tensors];
        Groups = [.. groups ?? [], new ParameterGroup("other", _ => true)];
        Validate(Tensors);
        using var scope = NewDisposeScope();
        Buffers =
        [
            .. Tensors
                .GroupBy(tensor => (tensor.Value.dtype, tensor.Value.device_type, tensor.Value.device_index))
                .Select(alike => new FlatBuffer([.. alike.GroupBy(GroupOf).OrderBy(group => group.Key)], alike.Key.dtype, alike.First().Value.device)),
        ];
        using var _ = no_grad();
        foreach (var buffer in Buffers)
        {
            foreach (var slice in buffer.Slices)
            {
                using var view = slice.Of(buffer.Values);
                view.copy_(slice.Tensor.Value);
                slice.Tensor.Value.set_(view);
                BindGradient(buffer, slice);
            }
        }
    }

    /// <summary>The tensors in the order given.</summary>
    public IReadOnlyList<TrainableTensor> Tensors { get; }

    /// <summary>The groups; the last one is for tensors that match no given group.</summary>
    public IReadOnlyList<ParameterGroup> Groups { get; }

    internal IReadOnlyList<FlatBuffer> Buffers { get; }

    /// <summary>The tensors that require gradients, in the order given: all of them, unless an optimizer trains only some at a time (<see cref="FlatOptimizer.BeginStep"/>).</summary>
    public IReadOnlyList<TrainableTensor> Trained { get; private set; }

    /// <summary>Memory of the gradients in bytes.</summary>
    public long GradientBytes => Buffers.Sum(buffer => buffer.Gradients.numel() * buffer.Gradients.ElementSize);

    /// <summary>True to return the memory of gradients to the system while they are 0: it takes less memory in forward passes, and a page fault for each page in backward passes.</summary>
    internal bool ReturnsMemory { get; init; }

    /// <summary>Makes only some of the tensors require gradients. The others take no memory for gradients and no time in the backward pass.</summary>
    internal void Train(Func<string, bool> chosen)
    {
        ObjectDisposedException.ThrowIf(released, this);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        UnbindGradients();
        Trained = [.. Tensors.Where(tensor => chosen(tensor.Name))];
        foreach (var buffer in Buffers)
        {
            buffer.KeepGradients(slice => chosen(slice.Tensor.Name));
            foreach (var slice in buffer.Slices)
            {
                slice.Tensor.Value.requires_grad = buffer.HasGradient(slice);
                if (buffer.HasGradient(slice)) BindGradient(buffer, slice);
            }
        }
    }

    /// <summary>Sets all gradients to 0 in place.</summary>
    public void ZeroGradients()
    {
        using var scope = NewDisposeScope();   // in-place operations also return a tensor that must be disposed
        using var _ = no_grad();
        foreach (var buffer in Buffers) Clear(buffer.Gradients);
    }

    /// <summary>Sets the memory of gradients, or of a copy of them, to 0.</summary>
    internal void Clear(Tensor gradients)
    {
        if (ReturnsMemory) ZeroPages.Fill(gradients);
        else FlatKernel.Clear(gradients);
    }

    /// <summary>Removes the gradients from the parameters, so that <see cref="BindGradients()"/> can tell which ones received a gradient.</summary>
    internal void UnbindGradients()
    {
        foreach (var tensor in Tensors) tensor.Value.grad = null;
    }

    /// <summary>
    /// Makes every gradient a slice of the flat gradient again. A gradient that was replaced by another tensor is copied into its slice; a gradient that
    /// was removed is set to 0. Call it between the backward pass and the optimizer step.
    /// </summary>
    /// <returns>Names of the tensors that had no gradient.</returns>
    /// <exception cref="TrainingException">A parameter was disposed, or moved to memory that the optimizer does not update.</exception>
    public IReadOnlyList<string> BindGradients() => BindGradients([]);

    /// <summary>Likewise, when kernels have added gradients to the flat gradient.</summary>
    /// <param name="added">For each tensor of <see cref="Trained"/>, true if they have; empty if there is none.</param>
    internal IReadOnlyList<string> BindGradients(ReadOnlySpan<bool> added)
    {
        ObjectDisposedException.ThrowIf(released, this);
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < added.Length; i++)
            if (added[i]) names.Add(Trained[i].Name);
        using var scope = NewDisposeScope();
        var missing = new List<string>();
        using var _ = no_grad();
        foreach (var buffer in Buffers)
        {
            foreach (var slice in buffer.Slices)
            {
                if (slice.Tensor.Value.IsInvalid || !buffer.HoldsValue(slice, slice.Tensor.Value)) throw Moved(slice.Tensor.Name);
                if (!buffer.HasGradient(slice)) continue;
                using var gradient = slice.Tensor.Value.grad;
                if (gradient is not null && buffer.HoldsGradient(slice, gradient)) continue;
                var isAdded = names.Contains(slice.Tensor.Name);
                using (var view = buffer.GradientOf(slice))
                {
                    if (!isAdded) view.zero_();
                    if (gradient is not null) view.add_(gradient, One);
                }
                if (gradient is null && !isAdded) missing.Add(slice.Tensor.Name);
                BindGradient(buffer, slice);
            }
        }
        return missing;
    }

    /// <summary>Computes the Euclidean norm of all gradients together: a float32 scalar on the first tensor's device. The caller disposes it.</summary>
    public Tensor GradientNorm()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var norms = Buffers.Select(buffer => FlatKernel.Norm(buffer.Gradients, FlatBuffer.NormBlock)).ToArray();
        if (norms.Length == 1) return norms[0].MoveToOuterDisposeScope();
        var first = Buffers[0].Values.device;
        return stack([.. norms.Select(norm => norm.to(first))]).norm().MoveToOuterDisposeScope();
    }

    /// <summary>Clips the norm of all gradients to a maximum, as <c>clip_grad_norm_</c> of PyTorch does.</summary>
    /// <param name="norm">Current norm, from <see cref="GradientNorm"/>.</param>
    /// <param name="maximum">Maximum norm after clipping.</param>
    public void ClipGradients(double norm, double maximum)
    {
        var factor = (float)maximum / ((float)norm + 1e-6f);
        if (!(factor < 1)) return;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var buffer in Buffers) FlatKernel.Scale(buffer.Gradients, factor);
    }

    /// <summary>Returns the name of the first tensor whose gradient or value is NaN or infinite; null if there is none.</summary>
    internal string? FirstNonFinite()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var slices = Buffers.SelectMany(buffer => buffer.Slices.Select(slice => (slice, buffer)))
            .ToDictionary(pair => pair.slice.Tensor.Name);
        return Tensors.FirstOrDefault(tensor =>
        {
            var (slice, buffer) = slices[tensor.Name];
            return (buffer.HasGradient(slice) && !IsFinite(buffer.GradientOf(slice))) || !IsFinite(slice.Of(buffer.Values));
        })?.Name;
    }

    /// <summary>Moves every parameter to its own memory again and frees the buffers. The parameters stay usable; their gradients are removed.</summary>
    public void Release()
    {
        if (released) return;
        released = true;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var buffer in Buffers)
        {
            foreach (var slice in buffer.Slices)
            {
                if (slice.Tensor.Value.IsInvalid) continue;   // disposed with its model: nothing to restore
                slice.Tensor.Value.grad = null;
                slice.Tensor.Value.requires_grad = true;
                if (!buffer.HoldsValue(slice, slice.Tensor.Value)) continue;
                using var own = slice.Tensor.Value.detach().clone();
                slice.Tensor.Value.set_(own);
            }
            buffer.Dispose();
        }
    }

    /// <summary>Same as <see cref="Release"/>.</summary>
    public void Dispose() => Release();

    private int GroupOf(TrainableTensor tensor)
    {
        for (var i = 0; ; i++)
        {
            if (Groups[i].Has(tensor)) return i;
        }
    }

    private static void BindGradient(FlatBuffer buffer, FlatSlice slice)
    {
        using var view = buffer.GradientOf(slice);
        slice.Tensor.Value.grad = view;
    }

    private static bool IsFinite(Tensor tensor) => tensor.isfinite().all().item<bool>();

    private static TrainingException Moved(string name)
        => new($"Parameter {name} is no longer in the optimizer's memory: it was disposed or moved, as Module.to(dtype or device) does. "
            + "Move the model before you create the trainer.");

    private static void Validate(IReadOnlyList<TrainableTensor> tensors)
    {
        var errors = new List<string>();
        if (tensors.Count == 0) errors.Add("There is no trainable tensor: all parameters are frozen.");
        var names = new HashSet<string>(StringComparer.Ordinal);
        var addresses = new Dictionary<IntPtr, string>();
        foreach (var tensor in tensors)
        {
            if (tensor is not ({ } name, { IsInvalid: false } value))
            {
                errors.Add($"{tensor?.Name ?? "A tensor"} is null or was disposed.");
                continue;
            }
            if (!names.Add(name)) errors.Add($"Two tensors are called {name}.");
            if (!value.requires_grad) errors.Add($"{name} does not require a gradient.");
            if (!value.is_leaf) errors.Add($"{name} is not a leaf: it was computed from other tensors.");
            if (!value.is_floating_point()) errors.Add($"{name} is of type {value.dtype}, which has no gradient.");
            if (value.numel() == 0 || value.is_meta) continue;   // tensors without memory share the null address
            var address = TensorAddress.Of(value);
            if (!addresses.TryAdd(address, name)) errors.Add($"{name} is the same tensor as {addresses[address]}.");
        }
        if (errors.Count > 0) throw new ArgumentException(string.Join(' ', errors), nameof(tensors));
    }
}
