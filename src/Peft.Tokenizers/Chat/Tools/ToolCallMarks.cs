namespace Peft.Tokenizers;

/// <summary>The marks that distinguish tool calls from text.</summary>
/// <param name="Start">The mark that precedes a call.</param>
/// <param name="End">The mark that follows a call; null if the call extends to the end of the answer.</param>
/// <param name="IsList">True if calls are in a JSON list.</param>
/// <param name="StartsBare">True if an answer that begins with an object is a call even without the mark.</param>
/// <param name="ArgumentNames">Possible names of the field with the arguments.</param>
internal sealed record ToolCallMarks(string Start, string? End, bool IsList, bool StartsBare, params IReadOnlyList<string> ArgumentNames)
{
    private static readonly ToolCallMarks Hermes = new("<tool_call>", "</tool_call>", false, false, "arguments");
    private static readonly ToolCallMarks Llama3 = new("<|python_tag|>", null, false, true, "parameters", "arguments");
    private static readonly ToolCallMarks Mistral = new("[TOOL_CALLS]", null, true, false, "arguments");

    /// <summary>The marks of a format; null for none.</summary>
    public static ToolCallMarks? Of(ToolCallFormat format, ChatTemplate template) => format switch
    {
        ToolCallFormat.None => null,
        ToolCallFormat.Hermes => Hermes,
        ToolCallFormat.Llama3 => Llama3,
        ToolCallFormat.Mistral => Mistral,
        ToolCallFormat.FromTemplate => Find(template),
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "Unknown tool call format."),
    };

    private static ToolCallMarks? Find(ChatTemplate template)
    {
        bool Shows(string text) => template.Sources.Any(source => source.Contains(text, StringComparison.Ordinal));
        return Shows(Hermes.Start) ? Hermes : Shows(Mistral.Start) ? Mistral : Shows(Llama3.Start) || Shows("\"parameters\":") ? Llama3 : null;
    }
}
