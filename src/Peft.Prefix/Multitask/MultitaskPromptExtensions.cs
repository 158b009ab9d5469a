namespace Peft;

/// <summary>Extension methods that apply multitask prompt tuning to pretrained transformers.</summary>
public static class MultitaskPromptExtensions
{
    /// <summary>Freezes a model and prepends learned embeddings to its input, which several tasks share.</summary>
    /// <param name="tasks">Number of tasks.</param>
    /// <param name="virtualTokens">Number of virtual tokens.</param>
    /// <param name="rank">Rank of each task's matrix.</param>
    /// <include file="../../Apply.xml" path="docs/tokens/*"/>
    public static PeftModel ApplyMultitaskPrompt(this IPromptedModel model, int tasks, int virtualTokens = 20, int rank = 1)
        => model.Attach(new MultitaskPromptOptions { TaskCount = tasks, VirtualTokens = virtualTokens, Rank = rank });
}
