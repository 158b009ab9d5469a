using Peft.Models;

namespace Peft.Cli;

/// <summary><c>peft eval</c></summary>
internal static class EvalCommand
{
    public static Command Create(PeftTool tool)
    {
        var (loaded, data, task) = (new LoadedModel(), new DataFlags(), new TaskFlags());
        var batch = new Option<int>("--batch-size") { Description = "Rows of a batch.", HelpName = "int", DefaultValueFactory = _ => 8 };
        return tool.Command("eval", "Evaluates a model, with or without an adapter, on rows: loss and perplexity, or the metrics of a classifier.", [.. loaded.All, .. data.ForRows, .. task.All, batch], context =>
        {
            var logger = new TextLogger(context);
            var source = data.Rows(context);
            using var model = loaded.Open(context, trainable: true, task: task.Task);
            var reading = data.Reading(context, model.Tokenizer, logger);
            ITrainable evaluated = model.Peft is { } peft ? peft : new ModuleTrainable(model.Pretrained);
            var objective = HasPairs(source) ? Pairs(model, evaluated, source) : null;
            var rows = objective is null ? model.Task.Open(context, task, source, reading, (model.Pretrained as ClassifyingModel)?.Labels) : DataFiles.Rewards(source, reading);
            var result = new Trainer(evaluated, rows, new() { EvaluationBatchSize = context.Get(batch) }) { Evaluation = rows, Objective = objective, Logger = logger }.Evaluate(context.Cancel);
            var perplexity = model.Task is LanguageTask ? Math.Exp(result.Loss) : (double?)null;
            context.Result(new { Rows = rows.Count, result.Loss, Perplexity = perplexity, Metrics = result.Metrics.Count > 0 ? result.Metrics : null },
                console => console.Fields([("rows", Show.Count(rows.Count)), ("loss", Show.Number(result.Loss)), ("perplexity", perplexity is { } value ? Show.Number(value) : null), .. result.Metrics.Select(metric => (metric.Key, (object?)Show.Number(metric.Value)))]));
        });
    }

    private static bool HasPairs(DataSource source) => source.Rows is { } rows && rows.Columns.Contains("chosen") && rows.Columns.Contains("rejected");

    private static RewardObjective Pairs(LoadedModel model, ITrainable evaluated, DataSource source) => model.Pretrained switch
    {
        SequenceClassifier { LabelCount: 1 } => new(evaluated),
        SequenceClassifier { LabelCount: var count } => throw new ToolException($"{source.Path} has pairs of chosen and rejected, which a reward model scores, but this classifier has {count} classes: name an adapter that `peft reward` trained by --adapter."),
        _ => throw new ToolException($"{source.Path} has pairs of chosen and rejected, which a reward model scores, but the task of this model is {model.Task.Name}: name an adapter that `peft reward` trained by --adapter."),
    };
}
