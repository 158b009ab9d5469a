using Microsoft.Extensions.Logging;

namespace Peft.Cli;

/// <summary>Kahneman-Tversky optimization.</summary>
internal sealed class KtoTask() : ObjectiveTask<KtoOptions>("kto", "Kahneman-Tversky optimization on rows of prompt, completion and label (true if desirable), or on pairs. The reference is the model as it is at the start: with the adapter of --adapter, or without one.")
{
    private readonly Option<double?> beta = new("--beta") { Description = "Strength of the reference (0.1).", HelpName = "number" };

    protected override IEnumerable<Option> Further => [beta];

    public override string Metric => "rewards/margins";

    public override TrainingDataset Open(ToolContext context, DataSource source, RowReading reading, IReadOnlyList<string>? labels) => DataFiles.Unpaired(source, reading);

    public override Objective Objective(ToolContext context, PeftModel model, Tokenizer tokenizer, TrainingDataset data, TrainingDataset? evaluation, ILogger logger)
    {
        var options = new KtoOptions();
        if (context.Get(beta) is { } strength) options = options with { Beta = strength };
        return new KtoObjective(model, SettingsOf(context, options), ReferenceOf(context, model));
    }
}
