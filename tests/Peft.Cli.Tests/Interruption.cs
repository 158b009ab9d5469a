namespace Peft.Cli.Tests;

/// <summary>A standard error that interrupts the command, as Ctrl-C does, when a line contains a text.</summary>
internal sealed class Interruption(string text) : StringWriter
{
    private readonly CancellationTokenSource stop = new();

    public CancellationToken Token => stop.Token;

    public override void WriteLine(string? value)
    {
        base.WriteLine(value);
        if (value?.Contains(text, StringComparison.Ordinal) == true) stop.Cancel();
    }

    protected override void Dispose(bool disposing)
    {
        stop.Dispose();
        base.Dispose(disposing);
    }
}
