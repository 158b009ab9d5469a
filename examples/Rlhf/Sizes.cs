namespace Rlhf;

/// <summary>How much is done.</summary>
internal sealed record Sizes
{
    /// <summary>Stories that the pretrained model writes for each prompt; the judge's favourite becomes a demonstration.</summary>
    public int Drafts { get; init; } = 8;

    /// <summary>Stories that the fine-tuned model writes for each prompt, to be compared in pairs.</summary>
    public int Compared { get; init; } = 8;

    /// <summary>Maximum number of tokens of a story.</summary>
    public int Tokens { get; init; } = 48;

    /// <summary>Stories of each prompt in a measurement.</summary>
    public int Measured { get; init; } = 16;

    /// <summary>Times that the policy writes stories and learns from them.</summary>
    public int Updates { get; init; } = 30;

    /// <summary>Stories for each of them.</summary>
    public int StoriesPerUpdate { get; init; } = 48;
}
