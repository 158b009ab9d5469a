namespace Peft;

/// <summary>What has one importance ratio.</summary>
public enum ImportanceLevel
{
    /// <summary>Each token.</summary>
    Token,

    /// <summary>Each completion: the geometric mean over its tokens (GSPO, arXiv:2507.18071).</summary>
    Sequence,
}
