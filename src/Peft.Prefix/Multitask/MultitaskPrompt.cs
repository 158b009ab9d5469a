using Peft.Prefix;
using TorchSharp;

namespace Peft;

/// <summary>Multitask prompt tuning on pretrained transformers.</summary>
public static class MultitaskPromptExtensions
{
    /// <summary>Freezes a model and puts learned embeddings before its input that several tasks share.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tasks">How many tasks.</param>
    /// <param name="virtualTokens">How many embeddings.</param>
    /// <param name="rank">Rank of what is a task's own.</param>
    /// <exception cref="AdapterOptionsException">The options are invalid.</exception>
    public static PeftModel ApplyMultitaskPrompt(this IPromptedModel model, int tasks, int virtualTokens = 20, int rank = 1)
        => model.Put(new MultitaskPromptOptions { TaskCount = tasks, VirtualTokens = virtualTokens, Rank = rank });
}
