using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>Quantizes the weights of models in place, calibrated on samples of their inputs.</summary>
public static class ModelCalibration
{
    /// <summary>
    /// Quantizes the linear modules of a model by GPTQ or AWQ, layer by layer, with the inputs that the quantized layers before compute. Memory is needed for the float model, for the states of all
    /// samples between two layers, and for squares of the inputs <c>[in, in]</c> of one group of modules (GPTQ) or of one layer (AWQ). The model is quantized whole or, if an exception is thrown, unchanged.
    /// </summary>
    /// <param name="model">The model, on whose device the batches are, before it gets adapters.</param>
    /// <param name="options">The method and its settings.</param>
    /// <param name="samples">Batches like those that the model will see: a hundred sequences or more. Each runs several times. The caller disposes them.</param>
    /// <param name="evaluation">Batches on which the loss before and after is measured; the samples if null.</param>
    /// <param name="progress">Receives each quantized weight.</param>
    /// <param name="cancellationToken">Ends the quantization; the model is then unchanged.</param>
    /// <exception cref="QuantizationException">A weight has no form in the format, no sample reached a module, or weights or activations are not finite.</exception>
    /// <exception cref="ArgumentException">A setting is out of range, or there are no samples.</exception>
    /// <exception cref="OperationCanceledException">The quantization was cancelled.</exception>
    /// <exception cref="PeftException">The model has adapters.</exception>
    public static CalibrationReport Quantize<T>(this T model, CalibratedOptions options, IEnumerable<Batch> samples, IEnumerable<Batch>? evaluation = null, IProgress<CalibratedWeight>? progress = null,
        CancellationToken cancellationToken = default) where T : nn.Module, ILossModel
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(samples);
        List<Batch> own = [.. samples], measured = evaluation is null ? own : [.. evaluation];
        if (own.Exists(batch => batch is null) || measured.Exists(batch => batch is null)) throw new ArgumentException("A batch is null.", nameof(samples));
        if (evaluation is not null && measured.Count == 0) throw new ArgumentException("There is no batch to evaluate.", nameof(evaluation));
        var steps = own.Select(batch => new CalibrationSample(() => model.Loss(batch).Dispose(), () => batch.AttentionMask)).ToList();
        return Quantize(model, options, steps, () => MeanLoss(model, measured, cancellationToken), progress, cancellationToken);
    }

    /// <summary>Quantizes a model with samples of any kind. The report has no losses. Otherwise as for batches.</summary>
    /// <typeparam name="T">Type of a sample, such as a sequence of tokens.</typeparam>
    /// <param name="model">The model, before it gets adapters.</param>
    /// <param name="options">The method and its settings.</param>
    /// <param name="samples">The samples. Each runs several times.</param>
    /// <param name="forward">Runs the model on a sample. It may be ended by an exception of this library where no more is needed, and must let it pass.</param>
    /// <param name="mask">Attention mask of a sample, <c>[batch, sequence]</c> with 0 for padding. If null, all positions count.</param>
    /// <param name="progress">Receives each quantized weight.</param>
    /// <param name="cancellationToken">Ends the quantization; the model is then unchanged.</param>
    /// <exception cref="QuantizationException">A weight has no form in the format, no sample reached a module, or weights or activations are not finite.</exception>
    /// <exception cref="ArgumentException">A setting is out of range, or there are no samples.</exception>
    /// <exception cref="OperationCanceledException">The quantization was cancelled.</exception>
    /// <exception cref="PeftException">The model has adapters.</exception>
    public static CalibrationReport Quantize<T>(this nn.Module model, CalibratedOptions options, IEnumerable<T> samples, Action<T> forward, Func<T, Tensor>? mask = null, IProgress<CalibratedWeight>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentNullException.ThrowIfNull(forward);
        var steps = samples.Select(sample => new CalibrationSample(() => forward(sample), () => mask?.Invoke(sample))).ToList();
        return Quantize(model, options, steps, null, progress, cancellationToken);
    }

    private static CalibrationReport Quantize(nn.Module model, CalibratedOptions options, List<CalibrationSample> samples, Func<double>? loss, IProgress<CalibratedWeight>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (samples.Count == 0) throw new ArgumentException($"There are no samples: {options.Name} follows from the inputs that samples give to the modules.", nameof(samples));
        if (PeftModel.Of(model) is not null) throw new PeftException($"This {model.GetType().Name} has adapters: quantize it before they are added.");
        if (options.WhyNot(model) is { } reason) throw new QuantizationException(reason);
        var modules = ModelQuantization.Choose(model, options.SkipModules).Select(each => new CalibratedModule(each.Path, each.Module)).ToList();
        Require(modules, options);
        using var modes = new ModuleModes(model);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        model.eval();
        var before = loss?.Invoke();
        using var run = new CalibrationRun(model, options, modules, samples, progress, cancellationToken);
        run.Run();
        var after = loss?.Invoke();
        run.Commit();
        return new([.. run.Results], before, after);
    }

    private static void Require(List<CalibratedModule> modules, CalibratedOptions options)
    {
        var wrong = modules.Select(module => (module.Path, Shape: module.Module.Storage.Shape, module.IsTransposed))
            .Select(each => (each.Path, Why: options.WhyNot(each.Shape[each.IsTransposed ? 1 : 0], each.Shape[each.IsTransposed ? 0 : 1]))).Where(each => each.Why is not null).ToList();
        if (wrong.Count > 0)
            throw new QuantizationException($"{options.Name} cannot hold {string.Join("; ", wrong.Take(3).Select(each => $"{each.Path}.weight: {each.Why}"))}{(wrong.Count > 3 ? $"; and {wrong.Count - 3} more" : "")}. Choose another GroupSize, or name the modules in SkipModules. The model is unchanged.");
        if (modules.Find(module => !Values.IsFinite(module.Module.Weight)) is { } module)
            throw new QuantizationException($"{module.Path}.weight holds values that are not finite, so that it has no quantized form. The model is unchanged.");
    }

    private static double MeanLoss(ILossModel model, List<Batch> batches, CancellationToken cancellationToken)
    {
        var (sum, weight) = (0.0, 0.0);
        foreach (var batch in batches)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var loss = model.Loss(batch);
            sum += batch.Weight * loss.to_type(ScalarType.Float64).item<double>();
            weight += batch.Weight;
        }
        return weight > 0 ? sum / weight : throw new ArgumentException("There is nothing to evaluate: no batch has labels that count.", nameof(batches));
    }
}
