namespace Peft.Models;

/// <summary>How queries and keys are normalized.</summary>
public enum HeadNorm
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>Each head, before the rotary embedding (Qwen 3).</summary>
    PerHead,

    /// <summary>Each head, after the rotary embedding (Hunyuan).</summary>
    AfterRotary,

    /// <summary>The whole projection, before it is split into heads (OLMo 2).</summary>
    Whole,
}
