namespace Peft.Cli;

/// <summary>A training command that minimizes an objective. The option <c>--objective</c> sets any of its settings.</summary>
/// <typeparam name="TOptions">The settings of the objective.</typeparam>
/// <param name="name">Name of the command.</param>
/// <param name="description">What the command does.</param>
internal abstract class ObjectiveTask<TOptions>(string name, string description) : TrainingTask(name, description) where TOptions : class, new()
{
    private readonly Option<string[]> objective = new("--objective") { Description = $"Any setting of {typeof(TOptions).Name}.", HelpName = "name=value" };

    public sealed override IEnumerable<Option> Options => [.. Further, objective];

    /// <summary>Options of this command besides <c>--objective</c>.</summary>
    protected virtual IEnumerable<Option> Further => [];

    /// <summary>The policy at the start: a copy of the adapter that is trained further; null, for the model without an adapter, if the adapter is new.</summary>
    protected Reference? ReferenceOf(ToolContext context, PeftModel model) => context.Get(Adapter) is null ? null : model.AddReference();

    /// <summary>The settings of the objective.</summary>
    /// <param name="context">The call.</param>
    /// <param name="start">The settings before those of the option; the defaults if null.</param>
    protected TOptions SettingsOf(ToolContext context, TOptions? start = null) => Settings.Apply(start ?? new(), Settings.Split(context.Get(objective), "--objective"), "--objective");
}
