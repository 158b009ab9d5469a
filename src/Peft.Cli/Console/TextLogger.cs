using Microsoft.Extensions.Logging;

namespace Peft.Cli;

/// <summary>Writes the library's warnings, and its other messages if details were asked for, to the user.</summary>
internal sealed class TextLogger(ToolContext context) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= (context.Verbose ? LogLevel.Information : LogLevel.Warning);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel)) context.Note((logLevel >= LogLevel.Warning ? "warning: " : "") + formatter(state, exception));
    }
}
