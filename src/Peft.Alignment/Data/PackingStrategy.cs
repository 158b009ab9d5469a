namespace Peft;

/// <summary>How several rows become one of about the maximum length.</summary>
public enum PackingStrategy
{
    /// <summary>Not at all: each row stays a row.</summary>
    None,

    /// <summary>TRL's <c>bfd</c>: rows are cut at the maximum length and packed whole, the longest first, each where it leaves least room (best fit decreasing). They do not attend to each other.</summary>
    BestFit,

    /// <summary>TRL's <c>bfd_split</c>: the same, but longer rows are divided into pieces instead of being cut. A piece does not see those before it.</summary>
    BestFitSplit,

    /// <summary>TRL's <c>wrapped</c>: all rows form one stream, which is divided at the maximum length. Rows within a piece attend to each other.</summary>
    Wrapped,
}
