using Peft.Models;
using Peft.Report;

namespace Peft.Cli;

/// <summary>The commands that train: <c>train</c>, <c>sft</c>, <c>dpo</c>, <c>kto</c>, <c>grpo</c>, <c>rloo</c> and <c>reward</c>.</summary>
internal static class TrainingCommand
{
    private const int SampleLength = 64;

    public static Command Create(PeftTool tool, TrainingTask task)
    {
        var (model, from, method, run) = (task.Model, task.Adapter, new MethodFlags(), new RunFlags());
        var data = new DataFlags(task.HasPrompts);
        var template = new Option<string>("--chat-template") { Description = "A Jinja file, for tokenizers without a chat template.", HelpName = "file" };
        return tool.Command(task.Name, task.Description, [.. model.All, .. data.All, template, from, .. method.All, .. run.All, .. task.Options], context =>
        {
            var name = model.Name(context);
            var (rows, tests) = data.Both(context);
            var options = run.Options(context);
            if (context.Get(from) is not null) method.Refuse(context);
            var adapter = context.Get(from) is null ? method.Options(context) : null;
            var logger = new TextLogger(context);
            var output = context.Get(run.Output)!;

            var load = model.Load(context);
            var tokenizer = Tokenizers.Load(context, name, load, template);
            var reading = data.Reading(context, tokenizer, logger);
            var known = context.Get(from) is { } trained ? TaskDescription.Read(trained)?.Labels : null;
            var training = data.Open(context, task, rows, reading, known);
            using var streaming = training as IDisposable;
            var labels = (training as ClassificationDataset)?.Labels ?? (training as TaggingDataset)?.Labels;
            var testing = tests is null ? null : task.Open(context, tests, reading, labels);
            using var pretrained = task.Load(context, name, load with { Id2Label = labels, Problem = labels?.Problem });
            using var peft = adapter is not null ? pretrained.ApplyAdapter(adapter) : pretrained.ApplyAdapter(context.Get(from)!, trainable: true, logger: logger);
            context.Note($"{peft.Find(PeftModel.DefaultName).Options.PeftType}: {peft.CountParameters()}");

            using var report = new HtmlReport(Path.Combine(output, "report.html"))
            {
                Log = Path.Combine(output, RunRecord.FileName),
                Prompts = context.Get(run.Sample) ?? [],
                Complete = pretrained switch
                {
                    LanguageModel language => prompt => language.Generate(prompt, tokenizer, new() { MaxNewTokens = SampleLength, Seed = options.Seed }, context.Cancel),
                    SequenceClassifier classifier when labels is { Problem: not ProblemType.Regression } => prompt => $"{classifier.Classify(prompt, tokenizer)}",
                    TokenClassifier tagger => prompt => string.Join(", ", tagger.Tag(prompt, tokenizer).Entities.Select(entity => $"{entity.Text}: {entity.Type}")),
                    _ => null,
                },
            };
            var trainer = new Trainer(peft, training, options)
            {
                Evaluation = testing,
                Objective = task.Objective(context, peft, tokenizer, training, testing, logger),
                Callbacks = [report],
                Logger = logger,
            };
            OutputFolder.Create(RunFlags.Checkpoints(output));
            var progress = new RunProgress(context, TimeProvider.System, task.Metric);
            TrainingResult result;
            try
            {
                result = progress.Run(() => trainer.Train(progress, context.Cancel));
            }
            catch (TrainingCanceledException stopped)
            {
                throw new InterruptedException($"Interrupted after step {stopped.Result.Steps}; the checkpoint is {stopped.Result.LastCheckpoint}. To go on:\n\n  {tool.ResumingCommand}\n");
            }
            peft.SaveAdapter(output);
            Write(context, result, progress, peft, output, report.File);
        });
    }

    private static void Write(ToolContext context, TrainingResult result, RunProgress progress, PeftModel peft, string output, string report)
        => context.Result(
            new
            {
                Output = output,
                Report = report,
                StopReason = result.StopReason.ToString(),
                result.Steps,
                FirstLoss = result.Losses.Count > 0 ? result.Losses[0] : (double?)null,
                FinalLoss = result.Losses.Count > 0 ? result.Losses[^1] : (double?)null,
                Metrics = progress.Metrics.Count > 0 ? progress.Metrics : null,
                BestEvaluation = result.Best is { } best ? new { best.Step, best.Loss, best.Metrics } : null,
                TrainableParameters = peft.CountParameters().Trainable,
                result.Tokens,
                result.TokensPerSecond,
                result.Memory,
                ElapsedSeconds = result.Elapsed.TotalSeconds,
            },
            console => console.Fields([
                ("adapter", output),
                ("report", report),
                ("steps", result.StopReason == StopReason.Completed ? result.Steps : $"{result.Steps} ({result.StopReason})"),
                ("loss", result.Losses.Count > 0 ? $"{Show.Number(result.Losses[0])} → {Show.Number(result.Losses[^1])}  {Sparkline.Of(result.Losses, 40)}" : null),
                progress.Watched is { } watched ? (watched.Name, (object?)Show.Number(watched.Value)) : ("", null),
                ("best evaluation", result.Best is { } best ? $"{Show.Number(best.Loss)} after step {best.Step}" : null),
                .. result.Best?.Metrics.Select(each => ($"  {each.Key}", (object?)Show.Number(each.Value))) ?? [],
                ("speed", $"{result.TokensPerSecond.ToString("N0", System.Globalization.CultureInfo.InvariantCulture)} tokens/s"),
                ("time", Show.Time(result.Elapsed))]));
}
