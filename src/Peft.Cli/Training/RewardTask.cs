using Microsoft.Extensions.Logging;
using Peft.Models;

namespace Peft.Cli;

/// <summary>A reward model.</summary>
internal sealed class RewardTask : ITrainingTask
{
    private readonly ObjectiveFlag objective = new("RewardOptions");

    public string Name => "reward";

    public string Description => "Trains a reward model on rows of chosen and rejected: a classifier with one label, for `peft grpo --reward model:FOLDER`.";

    public IEnumerable<Option> Options => [objective.Option];

    public PretrainedModel Load(string name, LoadOptions options) => SequenceClassifier.FromPretrained(name, options with { LabelCount = 1 });

    public TrainingDataset Open(ToolContext context, DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger) => DataFiles.Rewards(source, tokenizer, maxLength, logger);

    public Objective Objective(ToolContext context, PeftModel model, Tokenizer tokenizer, TrainingDataset data, TrainingDataset? evaluation, ILogger logger) => new RewardObjective(model, objective.Apply(context, new RewardOptions()));
}
