using Peft.Models;

namespace Peft.Cli;

/// <summary><c>peft eval</c></summary>
internal static class EvalCommand
{
    public static Command Create(PeftTool tool)
    {
        var loaded = new LoadedModel();
        var data = new DataFlags();
        var batch = new Option<int>("--batch-size") { Description = "Rows of a batch.", HelpName = "int", DefaultValueFactory = _ => 8 };
        var block = new Option<int>("--block-size") { Description = "Tokens of a block of a text file.", HelpName = "int", DefaultValueFactory = _ => 256 };
        return tool.Command("eval", "Evaluates a model, with or without an adapter: loss and perplexity over rows.", [.. loaded.All, .. data.ForRows, batch, block], context =>
        {
            var logger = new TextLogger(context);
            var source = data.Rows(context);
            using var model = loaded.Open(context, trainable: true);
            var rows = DataFiles.Language(source, model.Tokenizer, context.Get(block), data.MaxLength(context), logger);
            ITrainable evaluated = model.Peft is { } peft ? peft : new ModuleTrainable(model.Model);
            var result = new Trainer(evaluated, rows, new() { EvaluationBatchSize = context.Get(batch) }) { Evaluation = rows, Logger = logger }.Evaluate(context.Cancel);
            context.Result(new { Rows = rows.Count, result.Loss, Perplexity = Math.Exp(result.Loss), Metrics = result.Metrics.Count > 0 ? result.Metrics : null },
                console => console.Fields([("rows", Show.Count(rows.Count)), ("loss", Show.Number(result.Loss)), ("perplexity", Show.Number(Math.Exp(result.Loss))), .. result.Metrics.Select(metric => (metric.Key, (object?)Show.Number(metric.Value)))]));
        });
    }
}
