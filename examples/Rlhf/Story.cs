namespace Rlhf;

/// <summary>A prompt with a story that continues it.</summary>
internal sealed record Story(string Prompt, string Text)
{
    public double Score => Judge.Score(Text);
}
