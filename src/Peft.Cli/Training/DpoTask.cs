using Microsoft.Extensions.Logging;

namespace Peft.Cli;

/// <summary>Direct preference optimization.</summary>
internal sealed class DpoTask() : ObjectiveTask<DpoOptions>("dpo", "Direct preference optimization on rows of prompt, chosen and rejected. The reference is the model as it is at the start: with the adapter of --adapter, or without one.")
{
    private readonly Option<double?> beta = new("--beta") { Description = "Strength of the reference (0.1).", HelpName = "number" };

    protected override IEnumerable<Option> Further => [beta];

    public override string Metric => "rewards/accuracies";

    public override TrainingDataset Open(ToolContext context, DataSource source, RowReading reading, IReadOnlyList<string>? labels) => DataFiles.Preferences(source, reading);

    public override Objective Objective(ToolContext context, PeftModel model, Tokenizer tokenizer, TrainingDataset data, TrainingDataset? evaluation, ILogger logger)
    {
        var options = new DpoOptions();
        if (context.Get(beta) is { } strength) options = options with { Beta = strength };
        return new DpoObjective(model, SettingsOf(context, options), ReferenceOf(context, model));
    }
}
