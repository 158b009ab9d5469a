using System.ComponentModel;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace Peft;

/// <summary>Options for rendering a conversation.</summary>
[TypeConverter(typeof(TextConverter<ChatTemplateOptions>))]
public sealed record ChatTemplateOptions
{
    /// <summary>Functions that the model may call; null for none. A template that renders no tools is refused. Tools in JSON are passed in <see cref="Variables"/> as <c>tools</c>, a <see cref="JsonArray"/>.</summary>
    public IReadOnlyList<AITool>? Tools { get; init; }

    /// <summary>True to end the text with the beginning of the assistant's next message.</summary>
    public bool AddGenerationPrompt { get; init; }

    /// <summary>True to end the text inside the last message, so that the model continues it.</summary>
    public bool ContinueFinalMessage { get; init; }

    /// <summary>Name of the template; null for <c>tool_use</c> if there are tools and such a template, otherwise <c>default</c>.</summary>
    public string? TemplateName { get; init; }

    /// <summary>
    /// Additional variables, such as <c>documents</c> or <c>enable_thinking</c>: null, strings, numbers, booleans, JSON, dictionaries and sequences of
    /// these. They take precedence over the standard variables.
    /// </summary>
    public IReadOnlyDictionary<string, object?> Variables { get; init; } = new Dictionary<string, object?>();

    /// <summary>Limits of the rendering; null for the limits with which the template was read.</summary>
    public ResourceLimits? Limits { get; init; }

    /// <summary>The clock for templates that insert the current date.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
