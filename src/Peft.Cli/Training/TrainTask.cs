using Peft.Models;

namespace Peft.Cli;

/// <summary>Language modelling, or classification of texts or of words.</summary>
internal sealed class TrainTask() : TrainingTask("train", "Trains an adapter of a language model: on a text file, or on rows of text, of prompt and completion, or of messages; or of a classifier (--task): on rows of text and label, or of tokens and tags.")
{
    private readonly TaskFlags flags = new();
    private readonly Option<string> pooling = new Option<string>("--pooling") { Description = "What a classifier of texts reads: the first token, the mean, or the last token." }.AcceptOnly("cls", "mean", "last");

    public override IEnumerable<Option> Options => [.. flags.All, pooling];

    public override PretrainedModel Load(ToolContext context, string model, LoadOptions options)
        => Task(context).Load(model, context.Get(pooling) is { } read ? options with { Pooling = Enum.Parse<Pooling>(read, ignoreCase: true) } : options);

    public override TrainingDataset Open(ToolContext context, DataSource source, RowReading reading, IReadOnlyList<string>? labels)
        => Task(context).Open(context, flags, source, reading, labels);

    // A batch does not have all classes.
    public override bool CanStream(ToolContext context) => Task(context) is LanguageTask;

    private ModelTask Task(ToolContext context) => ModelTask.Of(context.Get(flags.Task), context.Get(Adapter), context.Get(Model.Model));
}
