using Microsoft.Extensions.Logging;

namespace Peft.Cli;

/// <summary>Direct preference optimization.</summary>
internal sealed class DpoTask : ITrainingTask
{
    private readonly Option<double?> beta = new("--beta") { Description = "Strength of the reference (0.1).", HelpName = "number" };
    private readonly ObjectiveFlag objective = new("DpoOptions");

    public string Name => "dpo";

    public string Description => "Direct preference optimization on rows of prompt, chosen and rejected. The reference is the model without its adapter.";

    public IEnumerable<Option> Options => [beta, objective.Option];

    public TrainingDataset Open(ToolContext context, DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger) => DataFiles.Preferences(source, tokenizer, maxLength, logger);

    public Objective Objective(ToolContext context, PeftModel model, Tokenizer tokenizer, TrainingDataset data, TrainingDataset? evaluation, ILogger logger)
    {
        var options = new DpoOptions();
        if (context.Get(beta) is { } strength) options = options with { Beta = strength };
        return new DpoObjective(model, objective.Apply(context, options));
    }
}
