using Microsoft.Extensions.Logging;

namespace Peft.Cli;

/// <summary>Supervised fine-tuning.</summary>
internal sealed class SftTask : ITrainingTask
{
    private readonly ObjectiveFlag objective = new("SftOptions");

    public string Name => "sft";

    public string Description => "Supervised fine-tuning on rows of text, of prompt and completion, or of messages, with TRL's defaults.";

    public IEnumerable<Option> Options => [objective.Option];

    public TrainingDataset Open(ToolContext context, DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger) => DataFiles.Supervised(source, tokenizer, maxLength, logger);

    public Objective Objective(ToolContext context, PeftModel model, Tokenizer tokenizer, TrainingDataset data, TrainingDataset? evaluation, ILogger logger) => new SftObjective(model, objective.Apply(context, new SftOptions()));
}
