using Peft.Prefix;
using TorchSharp;

namespace Peft;

/// <summary>P-tuning on pretrained transformers.</summary>
public static class PTuningExtensions
{
    /// <summary>Freezes a model and puts embeddings before its input that a small network learns to make.</summary>
    /// <param name="model">The model.</param>
    /// <param name="virtualTokens">How many.</param>
    /// <param name="encoder">The network.</param>
    /// <exception cref="AdapterOptionsException">The options are invalid.</exception>
    public static PeftModel ApplyPTuning(this IPromptedModel model, int virtualTokens = 20, PromptEncoder encoder = PromptEncoder.Mlp)
        => model.Put(new PTuningOptions { VirtualTokens = virtualTokens, Encoder = encoder });
}
