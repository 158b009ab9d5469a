using Peft.Models;

namespace Peft.Cli;

/// <summary>Loads tokenizers.</summary>
internal static class Tokenizers
{
    /// <summary>The tokenizer of a model, with the chat template of an option if it is given.</summary>
    public static Tokenizer Load(ToolContext context, string model, LoadOptions load, Option<string>? template = null)
    {
        var tokenizer = Tokenizer.FromPretrained(model, load);
        if (template is null || context.Get(template) is not { } file) return tokenizer;
        try
        {
            Dictionary<string, string> tokens = [];
            if (tokenizer.BeginOfSequenceId is { } begin) tokens["bos_token"] = tokenizer.IdToToken(begin)!;
            if (tokenizer.EndOfSequenceId is { } end) tokens["eos_token"] = tokenizer.IdToToken(end)!;
            tokenizer.ChatTemplate = ChatTemplate.Parse(File.ReadAllText(file), tokens);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ToolException($"The chat template {file} cannot be read: {error.Message}", error);
        }
        return tokenizer;
    }
}
