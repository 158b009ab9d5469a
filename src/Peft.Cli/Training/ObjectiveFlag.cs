namespace Peft.Cli;

/// <summary>The option that sets any setting of what a command minimizes.</summary>
internal sealed class ObjectiveFlag(string type)
{
    public Option<string[]> Option { get; } = new("--objective") { Description = $"Any setting of {type}.", HelpName = "name=value" };

    public T Apply<T>(ToolContext context, T options) where T : class => Settings.Apply(options, Settings.Split(context.Get(Option), "--objective"), "--objective");
}
