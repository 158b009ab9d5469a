using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>The modules of one layer, or of a whole model that has no layers, and the samples that run through it.</summary>
/// <param name="run">The quantization of the model.</param>
/// <param name="modules">The modules to quantize.</param>
/// <param name="folds">The modules into which factors of inputs can be folded.</param>
internal sealed class LayerCalibration(CalibrationRun run, IReadOnlyList<CalibratedModule> modules, IReadOnlyList<ScaleFold> folds)
{
    private readonly List<CalibratedModule> remaining = [.. modules];

    /// <summary>The modules into which factors of inputs can be folded.</summary>
    public IReadOnlyList<ScaleFold> Folds { get; } = folds;

    /// <summary>Observes the inputs of the modules that are reached first and not quantized yet; null if all are quantized. The caller disposes the group.</summary>
    /// <exception cref="QuantizationException">No sample reached the remaining modules, or an input is not finite.</exception>
    public InputGroup? ObserveNext() => remaining.Count == 0 ? null : Observe(onlyFirst: true) is [var group, ..] ? group : throw Unreached();

    /// <summary>Observes the inputs of all modules. The caller disposes the groups.</summary>
    /// <exception cref="QuantizationException">No sample reached some of the modules, or an input is not finite.</exception>
    public IReadOnlyList<InputGroup> ObserveAll()
    {
        var groups = Observe(onlyFirst: false);
        var found = groups.SelectMany(group => group.Modules).ToHashSet();
        if (found.Count == remaining.Count) return groups;
        foreach (var group in groups) group.Dispose();
        remaining.RemoveAll(found.Contains);
        throw Unreached();
    }

    /// <summary>Gives a module its quantized weight.</summary>
    public void Replace(CalibratedModule module, QuantizedMatrix matrix, double error, double roundingError)
    {
        remaining.Remove(module);
        run.Replace(module, matrix, new(module.Path, error, roundingError));
    }

    /// <summary>Changes a parameter.</summary>
    public void Change(Parameter parameter, Func<Tensor, Tensor> change) => run.Change(parameter, change);

    private IReadOnlyList<InputGroup> Observe(bool onlyFirst)
    {
        using var observer = new InputObserver(remaining, onlyFirst);
        try
        {
            run.Passes.Run(observer.Begin);
            return observer.Groups;
        }
        catch
        {
            foreach (var group in observer.Groups) group.Dispose();
            throw;
        }
    }

    private QuantizationException Unreached()
        => new($"No sample reached {string.Join(", ", remaining.Select(module => module.Path))}: run all of the model on the samples, or name the modules in SkipModules. The model is unchanged.");
}
