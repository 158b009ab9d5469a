namespace Peft.Cli;

/// <summary>A line for each file that was downloaded.</summary>
internal sealed class HubProgressLines(ToolContext context) : IProgress<HubProgress>
{
    private readonly HashSet<string> done = [];

    public void Report(HubProgress value)
    {
        lock (done)
            if (value.FileBytes == value.FileSize && done.Add(value.File)) context.Note($"{value.File}  {Show.Bytes(value.FileBytes)}");
    }
}
