namespace Peft;

/// <summary>Extension methods that apply P-tuning to pretrained transformers.</summary>
public static class PTuningExtensions
{
    /// <summary>Freezes a model and prepends embeddings to its input that a small trained network computes.</summary>
    /// <param name="virtualTokens">Number of virtual tokens.</param>
    /// <param name="encoder">The network.</param>
    /// <include file="../../Apply.xml" path="docs/tokens/*"/>
    public static PeftModel ApplyPTuning(this IPromptedModel model, int virtualTokens = 20, PromptEncoder encoder = PromptEncoder.Mlp)
        => model.Attach(new PTuningOptions { VirtualTokens = virtualTokens, Encoder = encoder });
}
