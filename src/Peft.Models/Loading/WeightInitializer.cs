using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Fresh weights as transformers draws them: N(0, initializer_range), biases 0, norms 1.</summary>
internal static class WeightInitializer
{
    public static void Fill(PretrainedModel model, long seed, Func<string, bool>? only = null)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var generator = new Generator((ulong)seed, model.Device);
        foreach (var (path, module) in model.named_modules())
        {
            if (module is not AdaptableModule part || (only is not null && !only(path + ".weight"))) continue;
            if (model.TiedParameters.Contains(path + ".weight")) continue;
            if (part is RmsNorm or LayerNorm)
            {
                part.Weight.fill_(1 - model.Spec.NormOffset);
            }
            else
            {
                var std = model.Config.InitializerRange;
                if (model.Spec.ScaledResidualInit && IsResidual(path, model.Spec.Names)) std /= Math.Sqrt(2.0 * model.Spec.LayerCount);
                part.Weight.normal_(0, std, generator);
            }
            part.Bias?.zero_();
        }
    }

    private static bool IsResidual(string path, DecoderNames names)
        => path.EndsWith('.' + names.AttentionOutput, StringComparison.Ordinal) || path.EndsWith('.' + names.Down, StringComparison.Ordinal);
}
