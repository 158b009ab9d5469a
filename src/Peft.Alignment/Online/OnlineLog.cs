using Microsoft.Extensions.Logging;

namespace Peft;

/// <summary>Log messages of online training.</summary>
internal static partial class OnlineLog
{
    [LoggerMessage(1, LogLevel.Information, "Completion {Index} of step {Step}, reward {Reward:G4}: {Prompt} → {Completion}")]
    public static partial void Sample(ILogger logger, int index, int step, double reward, string prompt, string completion);

    [LoggerMessage(2, LogLevel.Warning, "Step {Step}: the rewards of each prompt's completions are all equal, so there is nothing to learn from them.")]
    public static partial void NoSignal(ILogger logger, int step);

    [LoggerMessage(3, LogLevel.Warning, "Step {Step}: {Count} of {All} completions got no reward, the first for the prompt {Prompt}. They are not learned from.")]
    public static partial void Unrewarded(ILogger logger, int step, int count, int all, string prompt);
}
