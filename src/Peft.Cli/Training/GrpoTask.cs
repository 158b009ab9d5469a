using Microsoft.Extensions.Logging;

namespace Peft.Cli;

/// <summary>Group relative policy optimization.</summary>
internal sealed class GrpoTask() : ObjectiveTask<GrpoOptions>("grpo", "Group relative policy optimization: raises the rewards of the model's own completions of prompts.")
{
    private readonly Option<string[]> rewards = new("--reward") { Description = "A reward: regex:PATTERN (1 if the completion matches), length:N (nearness to N letters), field:NAME (1 if the completion contains that field of its row), model:FOLDER (a reward model), program:COMMAND (reads completions as lines of JSON, writes a number for each). Several are added.", HelpName = "kind:value" };
    private readonly Option<int> length = new("--max-completion-length") { Description = "Tokens of a completion.", HelpName = "int", DefaultValueFactory = _ => 512 };
    private readonly Option<int> generations = new("--generations") { Description = "Completions of each prompt.", HelpName = "int", DefaultValueFactory = _ => 8 };
    private readonly Option<double> temperature = new("--temperature") { Description = "Temperature of sampling.", HelpName = "number", DefaultValueFactory = _ => 1 };

    protected override IEnumerable<Option> Further => [rewards, length, generations, temperature];

    public override string Metric => "reward";

    // The rewards read the rows of the completions.
    public override bool CanStream(ToolContext context) => false;

    public override TrainingDataset Open(ToolContext context, DataSource source, RowReading reading, IReadOnlyList<string>? labels) => DataFiles.Prompts(source, reading);

    public override Objective Objective(ToolContext context, PeftModel model, Tokenizer tokenizer, TrainingDataset data, TrainingDataset? evaluation, ILogger logger)
    {
        var settings = SettingsOf(context);
        return new GrpoObjective(model, new()
        {
            Rewards = [.. Rewards.Of(context.Get(rewards) ?? [], (PromptDataset)data)],
            Tokenizer = tokenizer,
            MaxCompletionLength = context.Get(length),
            Generations = context.Get(generations),
            Temperature = context.Get(temperature),
            Logger = logger,
        }, settings, settings.Beta > 0 ? ReferenceOf(context, model) : null);
    }
}
