using TorchSharp;

namespace Peft;

/// <summary>P-tuning on pretrained transformers.</summary>
public static class PTuningExtensions
{
    /// <summary>Freezes a model and puts embeddings before its input that a small network learns to make.</summary>
    /// <param name="model">The model.</param>
    /// <param name="virtualTokens">How many.</param>
    /// <param name="encoder">The network.</param>
    /// <exception cref="AdapterOptionsException">The options make no sense.</exception>
    public static PeftModel ApplyPTuning(this IPromptedModel model, int virtualTokens = 20, PromptEncoder encoder = PromptEncoder.Mlp)
        => model.ApplyPTuning(new PTuningOptions { VirtualTokens = virtualTokens, Encoder = encoder });

    /// <summary>Freezes a model and puts embeddings before its input that a small network learns to make.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">All options of P-tuning.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <exception cref="AdapterOptionsException">The options make no sense.</exception>
    public static PeftModel ApplyPTuning(this IPromptedModel model, PTuningOptions options, string name = PeftModel.DefaultName)
        => ((torch.nn.Module)model).ApplyAdapter(options, name);
}
