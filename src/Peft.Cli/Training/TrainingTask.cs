using Microsoft.Extensions.Logging;
using Peft.Models;

namespace Peft.Cli;

/// <summary>What distinguishes the training commands: the model's head, the rows, and what is minimized.</summary>
/// <param name="name">Name of the command.</param>
/// <param name="description">What the command does.</param>
internal abstract class TrainingTask(string name, string description)
{
    /// <summary>Name of the command.</summary>
    public string Name => name;

    /// <summary>What the command does.</summary>
    public string Description => description;

    /// <summary>Options of this command alone.</summary>
    public abstract IEnumerable<Option> Options { get; }

    /// <summary>Loads the model.</summary>
    public virtual PretrainedModel Load(string model, LoadOptions options) => CausalLM.FromPretrained(model, options);

    /// <summary>Opens rows.</summary>
    public abstract TrainingDataset Open(ToolContext context, DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger);

    /// <summary>What is minimized; null for the model's own loss.</summary>
    public virtual Objective? Objective(ToolContext context, PeftModel model, Tokenizer tokenizer, TrainingDataset data, TrainingDataset? evaluation, ILogger logger) => null;
}
