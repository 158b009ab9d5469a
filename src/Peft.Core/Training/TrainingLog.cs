using Microsoft.Extensions.Logging;

namespace Peft;

/// <summary>Log messages of datasets and trainers.</summary>
internal static partial class TrainingLog
{
    [LoggerMessage(1, LogLevel.Information, "Training {Tensors} tensors with {Parameters} parameters for {TotalSteps} steps of {Rows} rows from step {Step}; learning rate {LearningRate}.")]
    public static partial void Started(ILogger logger, int tensors, long parameters, int totalSteps, int rows, int step, double learningRate);

    [LoggerMessage(2, LogLevel.Information, "Step {Step} of {TotalSteps}: loss {Loss:G6}, gradient norm {GradientNorm:G4}, learning rate {LearningRate:G4}.")]
    public static partial void Step(ILogger logger, int step, int totalSteps, double loss, double gradientNorm, double learningRate);

    [LoggerMessage(3, LogLevel.Information, "Evaluation after step {Step}: loss {Loss:G6}. Metrics: {Metrics}")]
    public static partial void Evaluated(ILogger logger, int step, double loss, string metrics);

    [LoggerMessage(4, LogLevel.Information, "Wrote {Folder}.")]
    public static partial void Saved(ILogger logger, string folder);

    [LoggerMessage(5, LogLevel.Warning, "{Message}")]
    public static partial void Warning(ILogger logger, string message);

    [LoggerMessage(6, LogLevel.Information, "Training ended after step {Step}: {Reason}.")]
    public static partial void Ended(ILogger logger, int step, StopReason reason);

    [LoggerMessage(7, LogLevel.Warning, "{Dataset}: {Truncated} rows were truncated and {Dropped} rows dropped at a maximum length of {MaxLength} tokens.")]
    public static partial void RowsCut(ILogger logger, string dataset, int truncated, int dropped, int maxLength);

    [LoggerMessage(8, LogLevel.Information, "To stay within MaxMemory, batches run in micro-batches of at most {Positions} positions.")]
    public static partial void Divided(ILogger logger, long positions);
}
