namespace Peft.Cli;

/// <summary>The options that choose a task, and say how its rows are read.</summary>
internal sealed class TaskFlags
{
    private readonly Option<string[]> dataset = new("--dataset") { Description = "Any setting of ClassificationOptions or TaggingOptions: --dataset Problem=Regression.", HelpName = "name=value" };

    public Option<string> Task { get; } = Choice();

    public Option<int> BlockSize { get; } = new("--block-size") { Description = "Tokens of a block of a text file.", HelpName = "int", DefaultValueFactory = _ => 256 };

    public IEnumerable<Option> All => [Task, BlockSize, dataset];

    /// <summary>The option <c>--task</c>.</summary>
    public static Option<string> Choice() => new Option<string>("--task") { Description = "What the model answers: text (causal-lm), the class of a text (sequence-classification), or tags of words (token-classification). By default what the adapter or the model says.", HelpName = "name" }.AcceptOnly([.. ModelTask.All.Select(each => each.Name)]);

    /// <summary>The settings of a dataset.</summary>
    public T Dataset<T>(ToolContext context, T start) where T : class => Settings.Apply(start, Settings.Split(context.Get(dataset), "--dataset"), "--dataset");

    /// <exception cref="ToolException"><c>--dataset</c> is given.</exception>
    public void RefuseDataset(ToolContext context, string task)
    {
        if (context.Get(dataset) is { Length: > 0 }) throw new ToolException($"--dataset is for classification, but the task is {task}: leave it out, or name another task by --task.");
    }
}
