using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peft;

/// <summary>Trainers for direct preference optimization.</summary>
public static class DpoTrainer
{
    /// <summary>A trainer that aligns a model with preferences: <c>DpoTrainer.Create(model, PreferenceDataset.FromFile("pairs.jsonl", tokenizer)).Train()</c>.</summary>
    /// <param name="policy">The policy: a <see cref="Models.CausalLM"/> with an adapter. The caller keeps ownership.</param>
    /// <param name="data">The pairs to learn from: a <see cref="PreferenceDataset"/>.</param>
    /// <param name="options">Settings of the objective; the defaults if null.</param>
    /// <param name="training">Settings of the run; the defaults if null, with the learning rate that suits the adapter.</param>
    /// <param name="evaluation">Evaluation rows; null for no evaluation.</param>
    /// <param name="reference">The reference; the policy without its adapters if null.</param>
    /// <param name="logger">Logger of the run.</param>
    /// <exception cref="AdapterOptionsException">The policy is no <see cref="Models.CausalLM"/>.</exception>
    public static Trainer Create(ITrainable policy, TrainingDataset data, DpoOptions? options = null, TrainingOptions? training = null, TrainingDataset? evaluation = null, Reference? reference = null, ILogger? logger = null)
        => new(policy, data, training) { Objective = new DpoObjective(policy, options, reference), Evaluation = evaluation, Logger = logger ?? NullLogger.Instance };
}
