namespace Peft.Lora;

/// <summary>Observes the inputs of adapted modules while a model runs on samples.</summary>
internal static class LayerInputs
{
    /// <summary>
    /// Runs samples through the base model and passes each adapted module's inputs to a callback as rows <c>[positions, size]</c> in float32.
    /// </summary>
    public static void Collect<T>(PeftModel model, IEnumerable<T> samples, Action<T> forward, Func<T, Tensor>? mask, Action<Target, Tensor> observe, Func<bool>? until = null)
    {
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentNullException.ThrowIfNull(forward);
        var training = model.Module.training;
        model.Module.eval();
        using var off = model.WithoutAdapters();
        using var _ = no_grad();
        try
        {
            foreach (var sample in samples)
            {
                using var scope = NewDisposeScope();
                var kept = mask?.Invoke(sample).reshape(-1).nonzero().reshape(-1);
                using (model.Observe((target, input) =>
                       {
                           using var inner = NewDisposeScope();
                           var rows = input.reshape(-1, input.size(-1)).to_type(ScalarType.Float32);
                           observe(target, kept is null || kept.numel() == 0 ? rows : rows.index_select(0, kept));
                       }))
                    forward(sample);
                if (until?.Invoke() == true) break;
            }
        }
        finally
        {
            model.Module.train(training);
        }
    }
}
