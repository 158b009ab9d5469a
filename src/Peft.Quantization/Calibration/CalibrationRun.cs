using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>
/// Quantizes a model layer by layer. Modules use their quantized weights from then on, but keep the parameters until all is done: disposed before <see cref="Commit"/>, the run leaves the model as it was.
/// </summary>
internal sealed class CalibrationRun : IDisposable
{
    private readonly CalibratedOptions options;
    private readonly IReadOnlyList<CalibratedModule> modules;
    private readonly ILayeredModel? layered;
    private readonly IProgress<CalibratedWeight>? progress;
    private readonly Dictionary<CalibratedModule, QuantizedStorage> replaced = [];
    private readonly List<(Parameter Parameter, Tensor Before)> changed = [];
    private readonly List<CalibratedWeight> results = [];

    public CalibrationRun(nn.Module model, CalibratedOptions options, IReadOnlyList<CalibratedModule> modules, IReadOnlyList<CalibrationSample> samples, IProgress<CalibratedWeight>? progress, CancellationToken cancellationToken)
    {
        (this.options, this.modules, this.progress) = (options, modules, progress);
        layered = model as ILayeredModel is { Layers.Count: > 0 } own ? own : null;
        Passes = new(samples, layered, cancellationToken);
    }

    /// <summary>The passes of the samples.</summary>
    public CalibrationPasses Passes { get; }

    /// <summary>The quantized modules so far.</summary>
    public IReadOnlyList<CalibratedWeight> Results => results;

    /// <summary>Quantizes all modules.</summary>
    public void Run()
    {
        var rest = modules.ToList();
        if (layered is not null)
        {
            Passes.Layer = 0;
            for (var layer = 0; layer < layered.Layers.Count; layer++)
            {
                var inside = layered.Layers[layer].modules().ToHashSet();
                var own = rest.FindAll(module => inside.Contains(module.Module));
                rest.RemoveAll(own.Contains);
                if (own.Count > 0) options.Quantize(new(this, own, layered.FoldsOf(layer)));
                Passes.Advance();
            }
            Passes.Layer = null;
        }
        if (rest.Count > 0) options.Quantize(new(this, rest, []));
    }

    /// <summary>Lets a module use a quantized weight.</summary>
    public void Replace(CalibratedModule module, QuantizedMatrix matrix, CalibratedWeight result)
    {
        var storage = new QuantizedStorage(matrix, module.IsTransposed, module.Module.Storage.ComputeType);
        replaced.Add(module, storage);
        module.Module.Try(storage);
        results.Add(result);
        progress?.Report(result);
    }

    /// <summary>Changes the values of a parameter.</summary>
    public void Change(Parameter parameter, Func<Tensor, Tensor> change)
    {
        changed.Add((parameter, parameter.detach().clone().DetachFromDisposeScope()));
        using var scope = NewDisposeScope();
        using var wide = parameter.detach().to_type(ScalarType.Float32);
        parameter.copy_(change(wide));
    }

    /// <summary>Frees the float weights.</summary>
    public void Commit()
    {
        foreach (var (module, storage) in replaced)
        {
            module.Module.Try(null);
            module.Module.Store(storage);
        }
        replaced.Clear();
        Forget();
    }

    public void Dispose()
    {
        Passes.Dispose();
        foreach (var (module, storage) in replaced)
        {
            module.Module.Try(null);
            storage.Matrix.Dispose();
        }
        replaced.Clear();
        using var _ = no_grad();
        foreach (var (parameter, before) in Enumerable.Reverse(changed)) parameter.copy_(before);
        Forget();
    }

    private void Forget()
    {
        foreach (var (_, before) in changed) before.Dispose();
        changed.Clear();
    }
}
