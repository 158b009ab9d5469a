using System.ComponentModel;

namespace Peft.Models;

/// <summary>How much a template may do. Templates come with models, from strangers: one that never ends, or fills the memory, ends in a <see cref="ChatTemplateException"/>.</summary>
[TypeConverter(typeof(TextConverter<ChatTemplateLimits>))]
public sealed record ChatTemplateLimits
{
    /// <summary>Expressions and statements that may be evaluated, and items that may be gone through. A conversation of 100 messages takes some thousands.</summary>
    public long MaxSteps { get; init; } = 20_000_000;

    /// <summary>Characters and list items that may be made in all, texts in between included.</summary>
    public long MaxCharacters { get; init; } = 1L << 28;

    /// <summary>Macros that may be called from within each other.</summary>
    public int MaxDepth { get; init; } = 200;
}
