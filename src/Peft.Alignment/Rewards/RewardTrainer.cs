using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peft;

/// <summary>Trainers for reward models.</summary>
public static class RewardTrainer
{
    /// <summary>A trainer of a reward model: <c>RewardTrainer.Create(model, RewardDataset.FromFile("pairs.jsonl", tokenizer)).Train()</c>. <see cref="RewardFunction.OfModel"/> then scores completions.</summary>
    /// <param name="model">The reward model: a <see cref="Models.SequenceClassifier"/> of one label with an adapter, or any other <see cref="ITrainable"/> of one. The caller keeps ownership.</param>
    /// <param name="data">The pairs to learn from: a <see cref="RewardDataset"/>.</param>
    /// <param name="options">Settings of the objective; the defaults if null.</param>
    /// <param name="training">Settings of the run; the defaults if null, with the learning rate that suits the adapter.</param>
    /// <param name="evaluation">Evaluation rows; null for no evaluation.</param>
    /// <param name="logger">Logger of the run.</param>
    /// <exception cref="AdapterOptionsException">The model is not a classifier of sequences with one label.</exception>
    public static Trainer Create(ITrainable model, TrainingDataset data, RewardOptions? options = null, TrainingOptions? training = null, TrainingDataset? evaluation = null, ILogger? logger = null)
        => new(model, data, training) { Objective = new RewardObjective(model, options), Evaluation = evaluation, Logger = logger ?? NullLogger.Instance };
}
