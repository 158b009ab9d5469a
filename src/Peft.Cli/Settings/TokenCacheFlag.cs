namespace Peft.Cli;

/// <summary>The folder that keeps the tokens of rows between runs.</summary>
internal sealed class TokenCacheFlag
{
    public Option<string> Option { get; } = new("--token-cache") { Description = "Keep the tokens of rows in this folder: the same rows with the same tokenizer and settings are not tokenized again.", HelpName = "folder" };

    public TokenCache? Of(ToolContext context) => context.Get(Option) is { } folder ? new(folder) : null;

    /// <exception cref="ToolException">The option is given.</exception>
    public void Refuse(ToolContext context, string rows)
    {
        if (context.Get(Option) is not null) throw new ToolException($"--token-cache keeps rows of text, of prompt and completion, or of messages, but not those of {rows}: leave it out.");
    }
}
