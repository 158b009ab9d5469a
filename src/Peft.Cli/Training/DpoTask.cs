using Microsoft.Extensions.Logging;

namespace Peft.Cli;

/// <summary>Direct preference optimization.</summary>
internal sealed class DpoTask() : ObjectiveTask<DpoOptions>("dpo", "Direct preference optimization on rows of prompt, chosen and rejected. The reference is the model without its adapter.")
{
    private readonly Option<double?> beta = new("--beta") { Description = "Strength of the reference (0.1).", HelpName = "number" };
    private readonly TokenCacheFlag cache = new();

    protected override IEnumerable<Option> Further => [beta, cache.Option];

    public override TrainingDataset Open(ToolContext context, DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger, IReadOnlyList<string>? labels) => DataFiles.Preferences(source, tokenizer, maxLength, logger, cache.Of(context));

    public override Objective Objective(ToolContext context, PeftModel model, Tokenizer tokenizer, TrainingDataset data, TrainingDataset? evaluation, ILogger logger)
    {
        var options = new DpoOptions();
        if (context.Get(beta) is { } strength) options = options with { Beta = strength };
        return new DpoObjective(model, SettingsOf(context, options));
    }
}
