using Peft;
using Peft.Models;

namespace Rlhf;

/// <summary>Stories that a model writes.</summary>
internal static class Stories
{
    /// <summary>Samples stories, those of a prompt adjacent.</summary>
    public static IReadOnlyList<Story> Write(CausalLM model, Tokenizer tokenizer, IReadOnlyList<string> prompts, int each, int tokens, long seed)
    {
        var options = new GenerationOptions { DoSample = true, Temperature = 1, TopK = 0, MaxNewTokens = tokens, NumReturnSequences = each, Seed = seed };
        return [.. prompts.Chunk(16).SelectMany((chunk, i) => model.Generate(chunk, tokenizer, options with { Seed = seed + i }).Select((text, k) => new Story(chunk[k / each], " " + text.Trim())))];
    }

    /// <summary>The story up to the end of its last whole sentence; null if it has none.</summary>
    public static Story? Whole(Story story) => story.Text.LastIndexOf('.') is > 1 and var end ? story with { Text = story.Text[..(end + 1)] } : null;
}
