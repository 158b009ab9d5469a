using System.Globalization;

namespace Peft.Cli;

/// <summary>The options that name the training and evaluation rows.</summary>
internal sealed class DataFlags
{
    private readonly Option<string> data = new("--data", "-d") { Description = "The rows: a file (.txt, .jsonl, .json, .csv, .tsv, .parquet, .arrow, also .gz), a folder of Hugging Face's datasets, or a dataset's name on the hub.", HelpName = "file|folder|id" };
    private readonly Option<string> split = new("--split") { Description = "The split of a folder or of a dataset on the hub.", HelpName = "name", DefaultValueFactory = _ => "train" };
    private readonly Option<string> subset = new("--subset") { Description = "The configuration of a dataset that has several.", HelpName = "name" };
    private readonly Option<string[]> columns = new("--columns") { Description = "Renames columns: --columns question=prompt --columns answer=completion.", HelpName = "old=new" };
    private readonly Option<string> evaluation = new("--eval-data") { Description = "The rows to evaluate on.", HelpName = "file|folder|id" };
    private readonly Option<string> evaluationSplit = new("--eval-split") { Description = "The split to evaluate on, of --eval-data or else of --data.", HelpName = "name" };
    private readonly Option<string> evaluationShare = new("--eval-share") { Description = "Fraction of the rows to hold out for evaluation.", HelpName = "0…1" };
    private readonly Option<int> maxLength = new("--max-length") { Description = "Maximum tokens of a row; longer rows are truncated.", HelpName = "int", DefaultValueFactory = _ => 1024 };

    /// <summary>The options of a command that reads texts.</summary>
    public IEnumerable<Option> ForTexts => [data, split, subset, columns];

    /// <summary>The options of a command that only evaluates.</summary>
    public IEnumerable<Option> ForRows => [.. ForTexts, maxLength];

    /// <summary>All options.</summary>
    public IEnumerable<Option> All => [.. ForRows, evaluation, evaluationSplit, evaluationShare];

    /// <summary>Maximum number of tokens of a row.</summary>
    public int MaxLength(ToolContext context) => context.Get(maxLength);

    /// <summary>True if <c>--data</c> is given.</summary>
    public bool IsGiven(ToolContext context) => context.Get(data) is not null;

    /// <summary>The rows of <c>--data</c>.</summary>
    /// <exception cref="ToolException">None are named.</exception>
    public DataSource Rows(ToolContext context)
        => Open(context, context.Get(data) ?? throw new ToolException("Which data? Name it by --data: a file, a folder, or a dataset on the hub."), context.Get(split)!);

    /// <summary>The rows to train on, and those to evaluate on if there are any.</summary>
    /// <exception cref="ToolException">The options contradict each other.</exception>
    public (DataSource Training, DataSource? Evaluation) Both(ToolContext context)
    {
        var training = Rows(context);
        if (context.Get(evaluationShare) is { } text)
        {
            if (context.Get(evaluation) is not null || context.Get(evaluationSplit) is not null) throw new ToolException("--eval-share takes rows from --data, so it cannot be combined with --eval-data or --eval-split.");
            if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var share) || !(share > 0 && share < 1)) throw new ToolException($"--eval-share must be between 0 and 1, but was {text}.");
            var (train, test) = (training.Rows ?? throw new ToolException("--eval-share divides rows, but a text file is cut into blocks: name another file by --eval-data.")).TrainTestSplit(share);
            return (training with { Rows = train }, training with { Rows = test });
        }
        return (training, context.Get(evaluation) is { } other ? Open(context, other, context.Get(evaluationSplit) ?? context.Get(split)!)
            : context.Get(evaluationSplit) is { } name ? Open(context, training.Path, name) : null);
    }

    private DataSource Open(ToolContext context, string path, string name)
    {
        if (Path.GetExtension(path).Equals(".txt", StringComparison.OrdinalIgnoreCase))
            return context.Get(columns) is { Length: > 0 } ? throw new ToolException($"--columns renames columns, but {path} is a text, whose lines have the one column text: leave it out.") : new(path, null);
        var rows = Dataset.Load(path, new() { Split = name, Configuration = context.Get(subset) });
        var renamed = Settings.Split(context.Get(columns), "--columns").ToDictionary();
        return new(path, renamed.Count > 0 ? rows.RenameColumns(renamed) : rows);
    }
}
