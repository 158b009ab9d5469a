using System.ComponentModel;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace Peft.Models;

/// <summary>How a conversation is rendered.</summary>
[TypeConverter(typeof(TextConverter<ChatTemplateOptions>))]
public sealed record ChatTemplateOptions
{
    /// <summary>Functions that the model may call; null for none. Tools as JSON go into <see cref="Variables"/> as <c>tools</c>, a <see cref="JsonArray"/>.</summary>
    public IReadOnlyList<AITool>? Tools { get; init; }

    /// <summary>Whether the text ends with the beginning of the assistant's next message.</summary>
    public bool AddGenerationPrompt { get; init; }

    /// <summary>Whether the text ends within the last message, so that the model goes on with it.</summary>
    public bool ContinueFinalMessage { get; init; }

    /// <summary>Which of several templates to take; null for <c>tool_use</c> where there are tools and such a template, and <c>default</c> otherwise.</summary>
    public string? TemplateName { get; init; }

    /// <summary>
    /// Further variables, such as <c>documents</c> or <c>enable_thinking</c>: null, strings, numbers, booleans, JSON, dictionaries and sequences of
    /// these. They go before the variables that templates have anyway.
    /// </summary>
    public IReadOnlyDictionary<string, object?> Variables { get; init; } = new Dictionary<string, object?>();

    /// <summary>How much the template may do; the limits that it was read with if null.</summary>
    public ResourceLimits? Limits { get; init; }

    /// <summary>The clock that templates read to name today's date.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
