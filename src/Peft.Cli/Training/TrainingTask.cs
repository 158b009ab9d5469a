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

    /// <summary>The model.</summary>
    public ModelFlags Model { get; } = new();

    /// <summary>The adapter that is trained further.</summary>
    public Option<string> Adapter { get; } = new("--adapter", "-a") { Description = "Go on training this adapter instead of a new one.", HelpName = "folder" };

    /// <summary>Options of this command alone.</summary>
    public abstract IEnumerable<Option> Options { get; }

    /// <summary>Loads the model.</summary>
    public virtual PretrainedModel Load(ToolContext context, string model, LoadOptions options) => CausalLM.FromPretrained(model, options);

    /// <summary>True if the rows are prompts.</summary>
    public virtual bool HasPrompts => false;

    /// <summary>Opens rows.</summary>
    /// <param name="context">The call.</param>
    /// <param name="source">The rows.</param>
    /// <param name="reading">How the rows are tokenized.</param>
    /// <param name="labels">The classes of a classifier in the order of its outputs; null for those of the rows.</param>
    public abstract TrainingDataset Open(ToolContext context, DataSource source, RowReading reading, IReadOnlyList<string>? labels);

    /// <summary>The metric of a step that says more than the loss; null if none does.</summary>
    public virtual string? Metric => null;

    /// <summary>True if rows can be tokenized while the model trains on those before.</summary>
    public virtual bool CanStream(ToolContext context) => true;

    /// <summary>What is minimized; null for the model's own loss.</summary>
    public virtual Objective? Objective(ToolContext context, PeftModel model, Tokenizer tokenizer, TrainingDataset data, TrainingDataset? evaluation, ILogger logger) => null;
}
