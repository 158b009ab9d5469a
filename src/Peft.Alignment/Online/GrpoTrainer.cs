using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peft;

/// <summary>Trainers for group relative policy optimization.</summary>
public static class GrpoTrainer
{
    /// <summary>A trainer that raises the rewards of a model's own completions: <c>GrpoTrainer.Create(model, prompts, new() { Rewards = [reward], Tokenizer = tokenizer }).Train()</c>.</summary>
    /// <param name="policy">The policy: a <see cref="Models.CausalLM"/> with an adapter. The caller keeps ownership.</param>
    /// <param name="prompts">The prompts to complete: a <see cref="PromptDataset"/>.</param>
    /// <param name="rollouts">How completions are generated and scored.</param>
    /// <param name="options">Settings of the objective; the defaults if null.</param>
    /// <param name="training">Settings of the run; the defaults if null, with the learning rate that suits the adapter. The batch size counts prompts.</param>
    /// <param name="evaluation">Prompts to evaluate on; null for no evaluation.</param>
    /// <param name="reference">The reference; used if <see cref="GrpoOptions.Beta"/> is above 0; the policy without its adapters if null.</param>
    /// <param name="callbacks">Callbacks, such as a <see cref="KlStop"/>; null for none.</param>
    /// <param name="logger">Logger of the run.</param>
    /// <exception cref="AdapterOptionsException">The policy is no <see cref="Models.CausalLM"/>.</exception>
    public static Trainer Create(ITrainable policy, TrainingDataset prompts, RolloutOptions rollouts, GrpoOptions? options = null, TrainingOptions? training = null, TrainingDataset? evaluation = null, Reference? reference = null, IReadOnlyList<ITrainerCallback>? callbacks = null, ILogger? logger = null)
        => new(policy, prompts, training) { Objective = new GrpoObjective(policy, rollouts, options, reference), Evaluation = evaluation, Callbacks = callbacks ?? [], Logger = logger ?? NullLogger.Instance };
}
