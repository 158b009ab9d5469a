using System.Globalization;
using Spectre.Console;

namespace Peft.Cli;

/// <summary>Shows a run while it goes on: a bar, the loss as a curve, tokens per second, memory and the time left. Where nothing can be redrawn, a line now and then.</summary>
/// <param name="context">The call.</param>
/// <param name="time">Measures the time that is left.</param>
/// <param name="metric">A metric that is shown with the loss; null for none.</param>
internal sealed class RunProgress(ToolContext context, TimeProvider time, string? metric) : IProgress<TrainingProgress>
{
    private const int CurveWidth = 40, BarWidth = 40, Lines = 20;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly List<double> losses = [];
    private readonly long started = time.GetTimestamp();
    private LiveDisplayContext? live;
    private EvaluationResult? shown;
    private TrainingProgress? last;
    private int first;
    private long drawn;
    private long tokens;
    private double seconds;

    /// <summary>The metrics of the last step.</summary>
    public IReadOnlyDictionary<string, double> Metrics => last?.Metrics ?? new Dictionary<string, double>();

    /// <summary>The metric that is shown, if the last step has it.</summary>
    public (string Name, double Value)? Watched => metric is not null && Metrics.TryGetValue(metric, out var value) ? (metric, value) : null;

    /// <summary>Runs the training while this shows it.</summary>
    public TrainingResult Run(Func<TrainingResult> train)
    {
        if (!context.Status.Profile.Capabilities.Interactive || !context.Status.Profile.Out.IsTerminal) return train();
        return context.Status.Live(new Text("Starting …")).Start(display =>
        {
            live = display;
            try
            {
                return train();
            }
            finally
            {
                if (last is not null) display.UpdateTarget(View(last));
                live = null;
            }
        });
    }

    /// <inheritdoc/>
    public void Report(TrainingProgress value)
    {
        if (last is null) first = value.Step - 1;
        last = value;
        losses.Add(value.Loss);
        tokens += value.Tokens;
        seconds += value.Elapsed.TotalSeconds;
        if (live is not null)
        {
            if (time.GetElapsedTime(drawn) < Pause) return;
            drawn = time.GetTimestamp();
            live.UpdateTarget(View(value));
            return;
        }
        var evaluated = value.LastEvaluation is { } evaluation && evaluation != shown;
        if (value.Step != first + 1 && value.Step % Math.Max(1, value.TotalSteps / Lines) != 0 && value.Step != value.TotalSteps && !evaluated) return;
        shown = value.LastEvaluation;
        context.Note(string.Create(CultureInfo.InvariantCulture, $"step {value.Step}/{value.TotalSteps}  loss {value.Loss:F4}{(Watched is { } watched ? $"  {watched.Name} {Show.Number(watched.Value)}" : "")}  {Speed}  {Show.Bytes(Environment.WorkingSet)}  {Show.Time(Left(value))} left{(evaluated ? $"  evaluation {shown!.Loss:F4}" : "")}"));
    }

    private string Speed => seconds > 0 ? string.Create(CultureInfo.InvariantCulture, $"{tokens / seconds:N0} tokens/s") : "";

    private TimeSpan Left(TrainingProgress value)
        => time.GetElapsedTime(started) * ((double)(value.TotalSteps - value.Step) / Math.Max(1, value.Step - first));

    private Grid View(TrainingProgress value)
    {
        var done = (int)((long)BarWidth * value.Step / value.TotalSteps);
        var grid = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(3)).AddColumn();
        void Row(string name, string text) => grid.AddRow(new Markup($"[grey]{name}[/]"), new Markup(text));
        Row("step", string.Create(CultureInfo.InvariantCulture, $"[green]{new string('━', done)}[/][grey]{new string('─', BarWidth - done)}[/]  {value.Step}/{value.TotalSteps}, epoch {value.Epoch:F2}"));
        Row("loss", string.Create(CultureInfo.InvariantCulture, $"[blue]{Sparkline.Of(losses, CurveWidth)}[/]  {losses.TakeLast(20).Average():F4}"));
        if (Watched is { } watched) Row(watched.Name, Show.Number(watched.Value));
        if (value.LastEvaluation is { } evaluation) Row("evaluation", string.Create(CultureInfo.InvariantCulture, $"{evaluation.Loss:F4} after step {evaluation.Step}"));
        Row("speed", $"{Speed}, learning rate {Show.Number(value.LearningRate)}");
        Row("memory", Show.Bytes(Environment.WorkingSet));
        Row("time left", Show.Time(Left(value)));
        return grid;
    }
}
