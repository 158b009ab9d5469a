using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Peft.Models;

namespace Peft.Cli;

/// <summary>The options that name the training and evaluation rows.</summary>
/// <param name="hasPrompts">True if the rows are prompts, which cannot be truncated.</param>
internal sealed class DataFlags(bool hasPrompts = false)
{
    private readonly Option<string> data = new("--data", "-d") { Description = "The rows: a file (.txt, .jsonl, .json, .csv, .tsv, .parquet, .arrow, also .gz), a folder of Hugging Face's datasets, or a dataset's name on the hub.", HelpName = "file|folder|id" };
    private readonly Option<string> split = new("--split") { Description = "The split of a folder or of a dataset on the hub.", HelpName = "name", DefaultValueFactory = _ => "train" };
    private readonly Option<string> subset = new("--subset") { Description = "The configuration of a dataset that has several.", HelpName = "name" };
    private readonly Option<string[]> columns = new("--columns") { Description = "Renames columns: --columns question=prompt --columns answer=completion.", HelpName = "old=new" };
    private readonly Option<string> evaluation = new("--eval-data") { Description = "The rows to evaluate on.", HelpName = "file|folder|id" };
    private readonly Option<string> evaluationSplit = new("--eval-split") { Description = "The split to evaluate on, of --eval-data or else of --data.", HelpName = "name" };
    private readonly Option<string> evaluationShare = new("--eval-share") { Description = "Fraction of the rows to hold out for evaluation.", HelpName = "0…1" };
    private readonly Option<int?> maxLength = hasPrompts ? new("--max-length") { Description = "Maximum tokens of a prompt (none); longer ones are left out.", HelpName = "int" }
        : new("--max-length") { Description = "Maximum tokens of a row; longer rows are truncated.", HelpName = "int", DefaultValueFactory = _ => 1024 };

    private readonly Option<string> cache = new("--token-cache") { Description = "Keep the tokens of the rows in this folder: the same rows with the same tokenizer and settings are not tokenized again.", HelpName = "folder" };
    private readonly Option<bool> stream = new("--stream") { Description = "Tokenize the rows in the background while the model trains, instead of all of them before: for rows that do not fit in memory. Rows are shuffled within a buffer." };

    /// <summary>The options of a command that reads texts.</summary>
    public IEnumerable<Option> ForTexts => [data, split, subset, columns];

    /// <summary>The options of a command that only evaluates.</summary>
    public IEnumerable<Option> ForRows => [.. ForTexts, maxLength, cache];

    /// <summary>All options.</summary>
    public IEnumerable<Option> All => [.. ForRows, evaluation, evaluationSplit, evaluationShare, stream];

    /// <summary>How the rows are tokenized.</summary>
    public RowReading Reading(ToolContext context, Tokenizer tokenizer, ILogger logger) => new(tokenizer, context.Get(maxLength), logger, context.Get(cache) is { } folder ? new(folder) : null);

    /// <summary>Opens the rows to train on: all of them, or with <c>--stream</c> those of the next batches, in the background.</summary>
    /// <param name="context">The call.</param>
    /// <param name="task">What is trained.</param>
    /// <param name="source">The rows.</param>
    /// <param name="reading">How they are tokenized.</param>
    /// <param name="labels">The classes of a classifier; null for those of the rows.</param>
    /// <exception cref="ToolException">The rows cannot be streamed.</exception>
    public TrainingDataset Open(ToolContext context, TrainingTask task, DataSource source, RowReading reading, IReadOnlyList<string>? labels)
    {
        if (!context.Get(stream)) return task.Open(context, source, reading, labels);
        if (reading.Cache is not null) throw new ToolException("--stream keeps no tokens, but --token-cache keeps them: leave out one of them.");
        if (!task.CanStream(context)) throw new ToolException("--stream is for texts, conversations and pairs: the classes of a classifier and the prompts of grpo must all be known before training. Leave it out; --token-cache keeps tokens on disk.");
        var rows = source.Rows ?? throw new ToolException($"--stream reads rows, but {source.Path} is one text: leave it out, or make its lines the rows of a .jsonl file.");
        var quiet = reading with { Logger = NullLogger.Instance };   // the rows that are cut are not counted batch by batch
        return StreamedDataset.From(rows, batch => task.Open(context, source with { Rows = batch }, quiet, labels), logger: reading.Logger);
    }

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
        if (File.Exists(path) && name != "train") throw new ToolException($"{path} is a single file, which has no split '{name}': leave out {(context.Has(split) ? "--split" : "--eval-split, or name another file by --eval-data")}.");
        if (File.Exists(path) && context.Get(subset) is { } part) throw new ToolException($"{path} is a single file, which has no configuration '{part}': leave out --subset.");
        if (Path.GetExtension(path).Equals(".txt", StringComparison.OrdinalIgnoreCase))
            return context.Get(columns) is { Length: > 0 } ? throw new ToolException($"--columns renames columns, but {path} is a text, whose lines have the one column text: leave it out.") : new(path, null);
        var rows = Dataset.Load(path, new() { Split = name, Configuration = context.Get(subset) });
        var renamed = Settings.Split(context.Get(columns), "--columns").ToDictionary();
        return new(path, renamed.Count > 0 ? rows.RenameColumns(renamed) : rows);
    }
}
