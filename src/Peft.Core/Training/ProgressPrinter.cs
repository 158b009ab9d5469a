using System.Globalization;

namespace Peft;

/// <summary>Prints training progress: a line for the first step, a line for the last one, and about the requested number of lines in between.</summary>
/// <param name="output">The writer; the console if null.</param>
/// <param name="lines">Approximate number of lines of the run. At least 1.</param>
/// <remarks>Unlike <see cref="Progress{T}"/>, it prints on the training thread, so that the lines are in order.</remarks>
public sealed class ProgressPrinter(TextWriter? output = null, int lines = 20) : IProgress<TrainingProgress>
{
    private readonly int lines = lines >= 1 ? lines : throw new ArgumentOutOfRangeException(nameof(lines), lines, "There must be at least 1 line.");
    private EvaluationResult? shown;

    /// <inheritdoc/>
    public void Report(TrainingProgress value)
    {
        ArgumentNullException.ThrowIfNull(value);
        var every = Math.Max(1, value.TotalSteps / lines);
        var evaluated = value.LastEvaluation is { } last && last != shown;
        if (value.Step != 1 && value.Step % every != 0 && value.Step != value.TotalSteps && !evaluated) return;
        shown = value.LastEvaluation;
        var speed = value.Elapsed > TimeSpan.Zero ? string.Create(CultureInfo.InvariantCulture, $", {value.Tokens / value.Elapsed.TotalSeconds:N0} tokens/s") : "";
#pragma warning disable RS0030 // this class prints
        (output ?? Console.Out).WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"step {value.Step}/{value.TotalSteps}, epoch {value.Epoch:F2}: loss {value.Loss:F4}, learning rate {value.LearningRate:G3}{speed}{(evaluated ? $", evaluation after step {shown!.Step}: {shown.Loss:F4}" : "")}"));
#pragma warning restore RS0030
    }
}
