namespace Peft.Tokenizers;

/// <summary>How matches are treated when text is split.</summary>
internal enum SplitBehavior
{
    /// <summary>Matches are removed.</summary>
    Removed,
    /// <summary>Each match is a separate piece.</summary>
    Isolated,
    /// <summary>Each match is appended to the previous piece.</summary>
    MergedWithPrevious,
    /// <summary>Each match is prepended to the next piece.</summary>
    MergedWithNext,
    /// <summary>Adjacent matches form a single piece.</summary>
    Contiguous,
}
