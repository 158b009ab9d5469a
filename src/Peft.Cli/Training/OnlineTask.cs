using Microsoft.Extensions.Logging;

namespace Peft.Cli;

/// <summary>A training command that raises the rewards of the model's own completions of prompts.</summary>
/// <typeparam name="TOptions">The settings of the objective.</typeparam>
/// <param name="name">Name of the command.</param>
/// <param name="description">What the command does.</param>
/// <param name="defaultGenerations">Completions of each prompt.</param>
internal abstract class OnlineTask<TOptions>(string name, string description, int defaultGenerations) : ObjectiveTask<TOptions>(name, description) where TOptions : class, new()
{
    private readonly Option<string[]> rewards = new("--reward") { Description = "A reward: regex:PATTERN (1 if the completion matches), length:N (nearness to N letters), field:NAME (1 if the completion contains that field of its row), think (1 if it begins with <think>…</think>), overlong:MAX:BUFFER (down to −1 over the last BUFFER of MAX tokens), repetition:N (down to −1 for repeated N-grams of tokens), model:FOLDER (a reward model), program:COMMAND (reads completions as lines of JSON, writes a number for each). Several are added.", HelpName = "kind:value" };
    private readonly Option<int> length = new("--max-completion-length") { Description = "Tokens of a completion.", HelpName = "int", DefaultValueFactory = _ => 512 };
    private readonly Option<int> generations = new("--generations") { Description = "Completions of each prompt.", HelpName = "int", DefaultValueFactory = _ => defaultGenerations };
    private readonly Option<double> temperature = new("--temperature") { Description = "Temperature of sampling.", HelpName = "number", DefaultValueFactory = _ => 1 };

    protected sealed override IEnumerable<Option> Further => [rewards, length, generations, temperature];

    public sealed override string Metric => "reward";

    public sealed override bool HasPrompts => true;

    // The rewards read the rows of the completions.
    public sealed override bool CanStream(ToolContext context) => false;

    public sealed override TrainingDataset Open(ToolContext context, DataSource source, RowReading reading, IReadOnlyList<string>? labels) => DataFiles.Prompts(source, reading);

    public sealed override Objective Objective(ToolContext context, PeftModel model, Tokenizer tokenizer, TrainingDataset data, TrainingDataset? evaluation, ILogger logger)
    {
        var settings = SettingsOf(context);
        return Create(model, new()
        {
            Rewards = [.. Rewards.Of(context.Get(rewards) ?? [], (PromptDataset)data, tokenizer)],
            Tokenizer = tokenizer,
            MaxCompletionLength = context.Get(length),
            Generations = context.Get(generations),
            Temperature = context.Get(temperature),
            Logger = logger,
        }, settings, BetaOf(settings) > 0 ? ReferenceOf(context, model) : null);
    }

    /// <summary>The strength of the reference, which is not needed if it is 0.</summary>
    protected abstract double BetaOf(TOptions settings);

    /// <summary>The objective.</summary>
    protected abstract Objective Create(PeftModel model, RolloutOptions rollouts, TOptions settings, Reference? reference);
}
