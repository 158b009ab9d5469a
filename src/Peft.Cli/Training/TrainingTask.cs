using Microsoft.Extensions.Logging;
using Peft.Models;

namespace Peft.Cli;

/// <summary>What distinguishes the training commands: the model's head, the rows, and what is minimized.</summary>
internal interface ITrainingTask
{
    /// <summary>Name of the command.</summary>
    string Name { get; }

    /// <summary>What the command does.</summary>
    string Description { get; }

    /// <summary>Options of this command alone.</summary>
    IEnumerable<Option> Options { get; }

    /// <summary>Loads the model.</summary>
    PretrainedModel Load(string name, LoadOptions options) => CausalLM.FromPretrained(name, options);

    /// <summary>Opens rows.</summary>
    TrainingDataset Open(ToolContext context, DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger);

    /// <summary>What is minimized; null for the model's own loss.</summary>
    Objective? Objective(ToolContext context, PeftModel model, Tokenizer tokenizer, TrainingDataset data, TrainingDataset? evaluation, ILogger logger) => null;
}
