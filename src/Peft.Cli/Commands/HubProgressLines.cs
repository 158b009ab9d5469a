namespace Peft.Cli;

/// <summary>A line for each file that was transferred, and for each tenth of a large one.</summary>
internal sealed class HubProgressLines(ToolContext context) : IProgress<HubProgress>
{
    private const long Large = 100 << 20;
    private readonly Dictionary<string, long> tenths = [];

    public void Report(HubProgress value)
    {
        if (value.FileSize is not { } size) return;
        var tenth = size == 0 ? 10 : value.FileBytes * 10 / size;
        lock (tenths)
        {
            if (tenth <= tenths.GetValueOrDefault(value.File) || (tenth < 10 && size < Large)) return;
            tenths[value.File] = tenth;
        }
        context.Note(tenth < 10 ? $"{value.File}  {tenth}0% of {Show.Bytes(size)}" : $"{value.File}  {Show.Bytes(size)}");
    }
}
