using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peft;

/// <summary>Trainers for odds ratio preference optimization.</summary>
public static class OrpoTrainer
{
    /// <summary>A trainer that fine-tunes a model on the chosen answers and away from the rejected ones: <c>OrpoTrainer.Create(model, PreferenceDataset.FromFile("pairs.jsonl", tokenizer)).Train()</c>.</summary>
    /// <param name="policy">The policy: a <see cref="Models.CausalLM"/> with an adapter, or any other <see cref="ITrainable"/> of one. The caller keeps ownership.</param>
    /// <param name="data">The pairs to learn from: a <see cref="PreferenceDataset"/>.</param>
    /// <param name="options">Settings of the objective; the defaults if null.</param>
    /// <param name="training">Settings of the run; the defaults if null, with the learning rate that suits the adapter.</param>
    /// <param name="evaluation">Evaluation rows; null for no evaluation.</param>
    /// <param name="logger">Logger of the run.</param>
    /// <exception cref="AdapterOptionsException">The policy is no <see cref="Models.CausalLM"/>.</exception>
    public static Trainer Create(ITrainable policy, TrainingDataset data, OrpoOptions? options = null, TrainingOptions? training = null, TrainingDataset? evaluation = null, ILogger? logger = null)
        => new(policy, data, training) { Objective = new OrpoObjective(policy, options), Evaluation = evaluation, Logger = logger ?? NullLogger.Instance };
}
