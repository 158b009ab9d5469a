using Microsoft.Extensions.Logging;

namespace Peft.Cli;

/// <summary>Supervised fine-tuning.</summary>
internal sealed class SftTask() : ObjectiveTask<SftOptions>("sft", "Supervised fine-tuning on rows of text, of prompt and completion, or of messages, with TRL's defaults.")
{
    public override TrainingDataset Open(ToolContext context, DataSource source, RowReading reading, IReadOnlyList<string>? labels) => DataFiles.Supervised(source, reading);

    public override Objective Objective(ToolContext context, PeftModel model, Tokenizer tokenizer, TrainingDataset data, TrainingDataset? evaluation, ILogger logger) => new SftObjective(model, SettingsOf(context));
}
