using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peft;

/// <summary>How the policy generates completions for online methods, and how they are scored and used. The defaults are those of TRL's GRPO.</summary>
public sealed record RolloutOptions
{
    /// <summary>The reward functions, at least one.</summary>
    public required IReadOnlyList<RewardFunction> Rewards { get; init; }

    /// <summary>Decodes completions for the reward functions and the log; null if they need no text.</summary>
    public ITokenizer? Tokenizer { get; init; }

    /// <summary>Number of completions of each prompt; by default 8 with GRPO, 2 with RLOO and 1 with PPO.</summary>
    public int? Generations { get; init; }

    /// <summary>Number of completions of each prompt in an evaluation, 1 or more; as many as in training by default. Methods that compare two completions take no other number.</summary>
    public int? EvaluationGenerations { get; init; }

    /// <summary>Maximum number of tokens of a completion. 512 by default.</summary>
    public int MaxCompletionLength { get; init; } = 512;

    /// <summary>Temperature of sampling. With GRPO, RLOO and PPO, it also divides the logits of policy and reference in the loss. 1 by default.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Top-k sampling; 0 (all tokens) by default.</summary>
    public int TopK { get; init; }

    /// <summary>Top-p sampling; 1 (all tokens) by default.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Min-p sampling; 0 (all tokens) by default.</summary>
    public double MinP { get; init; }

    /// <summary>Penalty of tokens that have occurred. 1 (none) by default.</summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Tokens that end a completion; the model's end-of-sequence tokens if null.</summary>
    public IReadOnlyList<int>? EndTokenIds { get; init; }

    /// <summary>
    /// Functions that completions may call, with GRPO and RLOO; none by default. <see cref="Tokenizer"/> must have the model's chat template, which shows the format of calls and results, and the prompts must name the same tools:
    /// <c>new PromptDatasetOptions { Template = new() { Tools = [tool] } }</c>. The results count in <see cref="MaxCompletionLength"/>, but the policy is not trained on them. A tool that throws gives its message as the result.
    /// </summary>
    public IReadOnlyList<AIFunction> Tools { get; init; } = [];

    /// <summary>Maximum number of times that calls of a completion are answered, 1 or more; null, the default, for as often as fits its length.</summary>
    public int? MaxToolRounds { get; init; }

    /// <summary>Number of mini-batches into which the completions of a step are divided, with one optimizer step each. 1 by default.</summary>
    public int MiniBatches { get; init; } = 1;

    /// <summary>Number of times that each completion is used. 1 by default.</summary>
    public int Iterations { get; init; } = 1;

    /// <summary>True to train without dropout, so that ratios are exactly 1 at first. Null, the default, for what TRL does: false for GRPO and RLOO, true for the other methods.</summary>
    public bool? DisableDropout { get; init; }

    /// <summary>Number of completions that are logged each time. 2 by default.</summary>
    public int LoggedSamples { get; init; } = 2;

    /// <summary>Receives samples and warnings.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Reasons that the options cannot be used; empty if they can.</summary>
    internal IEnumerable<string> Errors(int generations, int leastGenerations)
    {
        if (Rewards is not { Count: > 0 } || Rewards.Any(reward => reward is null)) yield return "Rewards has no reward function: name at least one.";
        else if (Rewards.GroupBy(reward => reward.Name).FirstOrDefault(same => same.Count() > 1) is { } same) yield return $"Two reward functions have the name '{same.Key}': give each its own.";
        else if (Rewards.FirstOrDefault(reward => !double.IsFinite(reward.Weight)) is { } odd) yield return $"The weight of the reward function '{odd.Name}' must be finite, but was {odd.Weight}.";
        if (generations < leastGenerations) yield return $"Generations must be {leastGenerations} or more, so that completions of a prompt compare, but was {generations}.";
        if (EvaluationGenerations < 1) yield return $"EvaluationGenerations must be 1 or more, but was {EvaluationGenerations}.";
        foreach (var error in ToolRounds.Errors(this)) yield return error;
        if (MaxCompletionLength < 1) yield return $"MaxCompletionLength must be 1 or more, but was {MaxCompletionLength}.";
        if (!(Temperature > 0 && double.IsFinite(Temperature))) yield return $"Temperature must be above 0, but was {Temperature}.";
        if (TopK < 0) yield return $"TopK must be 0 or more, but was {TopK}.";
        if (TopP is not (> 0 and <= 1)) yield return $"TopP must be in (0, 1], but was {TopP}.";
        if (MinP is not (>= 0 and <= 1)) yield return $"MinP must be in [0, 1], but was {MinP}.";
        if (!(RepetitionPenalty > 0 && double.IsFinite(RepetitionPenalty))) yield return $"RepetitionPenalty must be above 0, but was {RepetitionPenalty}.";
        if (MiniBatches < 1) yield return $"MiniBatches must be 1 or more, but was {MiniBatches}.";
        if (Iterations < 1) yield return $"Iterations must be 1 or more, but was {Iterations}.";
        if (LoggedSamples < 0) yield return $"LoggedSamples must be 0 or more, but was {LoggedSamples}.";
    }
}
