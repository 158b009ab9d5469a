using Microsoft.Extensions.Logging;
using Peft.Models;

namespace Peft.Cli;

/// <summary>A reward model.</summary>
internal sealed class RewardTask() : ObjectiveTask<RewardOptions>("reward", "Trains a reward model on rows of chosen and rejected: a classifier with one label, for `peft grpo --reward model:FOLDER`.")
{
    public override PretrainedModel Load(ToolContext context, string model, LoadOptions options) => SequenceClassifier.FromPretrained(model, options with { LabelCount = 1 });

    public override string Metric => "accuracy";

    public override TrainingDataset Open(ToolContext context, DataSource source, RowReading reading, IReadOnlyList<string>? labels) => DataFiles.Rewards(source, reading);

    public override Objective Objective(ToolContext context, PeftModel model, Tokenizer tokenizer, TrainingDataset data, TrainingDataset? evaluation, ILogger logger) => new RewardObjective(model, SettingsOf(context));
}
