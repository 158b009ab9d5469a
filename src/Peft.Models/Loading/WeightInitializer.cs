using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Initializes weights as transformers does: N(0, initializer_range) or scaled by fan-in, biases 0, norms 1.</summary>
internal static class WeightInitializer
{
    public static void Fill(PretrainedModel model, long seed, Func<string, bool>? only = null)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var generator = new Generator((ulong)seed, model.Device);
        // The head comes last, so that the other weights do not depend on the number of classes.
        foreach (var (path, module) in model.named_modules().OrderBy(each => each.module == model.HeadModule))
        {
            if (module is not AdaptableModule part) continue;
            if (only?.Invoke(path + ".weight") != false && !model.TiedParameters.Contains(path + ".weight"))
            {
                if (part is RmsNorm or LayerNorm) part.Weight.fill_(Constant(1 - model.Spec.NormOffset));
                else part.Weight.normal_(0, Deviation(model, path, part), generator);
            }
            if (part.Bias is { } bias && only?.Invoke(path + ".bias") != false) bias.zero_();
        }
    }

    private static double Deviation(PretrainedModel model, string path, AdaptableModule part)
    {
        var spec = model.Spec;
        if (spec.FanInInit) return model.Config.Number("initializer_factor", 1) * FanIn(spec, path.StartsWith(model.BasePrefix, StringComparison.Ordinal) ? path[model.BasePrefix.Length..] : path, part);
        var deviation = model.Config.InitializerRange;
        return spec.ScaledResidualInit && IsResidual(path, spec.Names) ? deviation / Math.Sqrt(2.0 * spec.LayerCount) : deviation;
    }

    // T5 does not scale the attention scores but initializes the query projections with smaller values. Its embedding, tied to the head or not, has standard deviation 1.
    private static double FanIn(TransformerSpec spec, string path, AdaptableModule part)
    {
        if (path == spec.Names.Embedding || path == spec.Names.Head) return 1;
        if (part is Embedding) return 1 / Math.Sqrt(spec.HiddenSize);
        var scale = path.EndsWith('.' + spec.Names.Query, StringComparison.Ordinal) ? spec.HeadSize : 1;
        return 1 / Math.Sqrt(part.Weight.size(1) * (double)scale);
    }

    private static bool IsResidual(string path, TransformerNames names)
        => path.EndsWith('.' + names.AttentionOutput, StringComparison.Ordinal) || path.EndsWith('.' + names.Down, StringComparison.Ordinal);
}
