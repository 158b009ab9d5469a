using Microsoft.Extensions.Logging;

namespace Peft;

/// <summary>Keeps what is logged, for the tests of every package.</summary>
internal sealed class ListLogger : ILogger
{
    public List<string> Lines { get; } = [];

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        => Lines.Add($"{logLevel}: {formatter(state, exception)}");
}
