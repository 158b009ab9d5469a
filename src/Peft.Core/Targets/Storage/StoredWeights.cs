using Peft.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>The weights of a model that are not parameters.</summary>
internal static class StoredWeights
{
    /// <summary>Converts them to parameters with the same values.</summary>
    public static void Dequantize(nn.Module model)
    {
        using var _ = no_grad();
        foreach (var module in model.named_modules().Select(pair => pair.module).OfType<AdaptableModule>().Distinct())
        {
            if (!module.IsStored) continue;
            using var values = module.Storage.Read();
            module.Unstore(values);
        }
    }
}
