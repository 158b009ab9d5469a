using Microsoft.Extensions.Logging;

namespace Peft.Cli;

/// <summary>Supervised fine-tuning.</summary>
internal sealed class SftTask() : ObjectiveTask<SftOptions>("sft", "Supervised fine-tuning on rows of text, of prompt and completion, or of messages, with TRL's defaults.")
{
    private readonly TokenCacheFlag cache = new();

    protected override IEnumerable<Option> Further => [cache.Option];

    public override TrainingDataset Open(ToolContext context, DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger, IReadOnlyList<string>? labels) => DataFiles.Supervised(source, tokenizer, maxLength, logger, cache.Of(context));

    public override Objective Objective(ToolContext context, PeftModel model, Tokenizer tokenizer, TrainingDataset data, TrainingDataset? evaluation, ILogger logger) => new SftObjective(model, SettingsOf(context));
}
