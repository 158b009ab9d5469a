using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peft;

/// <summary>Trainers for supervised fine-tuning.</summary>
public static class SftTrainer
{
    /// <summary>A trainer that fine-tunes a model on a dataset: <c>SftTrainer.Create(model, SftDataset.FromFile("chats.jsonl", tokenizer)).Train()</c>.</summary>
    /// <param name="model">The model: a <see cref="Models.CausalLM"/> with an adapter, or any other <see cref="ITrainable"/> of one. The caller keeps ownership.</param>
    /// <param name="data">The rows to learn.</param>
    /// <param name="options">Settings of the objective; the defaults if null.</param>
    /// <param name="training">Settings of the run; the defaults if null, with the learning rate that suits the adapter.</param>
    /// <param name="evaluation">Evaluation rows; null for no evaluation.</param>
    /// <param name="logger">Logger of the run.</param>
    /// <exception cref="AdapterOptionsException">The model is no <see cref="Models.CausalLM"/>.</exception>
    public static Trainer Create(ITrainable model, TrainingDataset data, SftOptions? options = null, TrainingOptions? training = null, TrainingDataset? evaluation = null, ILogger? logger = null)
        => new(model, data, training) { Objective = new SftObjective(model, options), Evaluation = evaluation, Logger = logger ?? NullLogger.Instance };
}
