using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Peft.Models.Jinja;

namespace Peft.Models;

/// <summary>
/// A model's chat template: makes of a conversation the text that the model was trained on. Templates are programs in Jinja; this class runs the part of
/// Jinja 3.1 that they use, with the settings, functions and the <c>{% generation %}</c> tag of transformers. Immutable, safe for use from several threads.
/// </summary>
/// <remarks>
/// Messages become what templates expect: <c>role</c>, <c>content</c>, <c>name</c>, <c>reasoning_content</c>, <c>tool_calls</c> (<c>type</c>, <c>id</c>,
/// <c>function</c> with <c>name</c> and <c>arguments</c>), and for results of tools a message each with <c>tool_call_id</c> and <c>name</c>. A message's
/// <see cref="ChatMessage.AdditionalProperties"/> are added under their own names. Integers have 64 bits. Filters of HTML do not guard what they return.
/// </remarks>
public sealed class ChatTemplate
{
    /// <summary>Where the limits of reading a template are given, for messages.</summary>
    internal const string WhereLimitsAre = $"{nameof(LoadOptions)}.{nameof(LoadOptions.Limits)} or the call that reads the template";

    readonly IReadOnlyDictionary<string, JinjaTemplate> templates;
    readonly ResourceLimits limits;

    internal ChatTemplate(IReadOnlyDictionary<string, string> texts, IReadOnlyDictionary<string, string> specialTokens, ResourceLimits? limits)
    {
        this.limits = limits ?? ResourceLimits.Default;
        templates = texts.ToDictionary(text => text.Key, text => JinjaTemplate.Parse(text.Value, this.limits));
        SpecialTokens = specialTokens;
        Sources = [.. texts.Values];
    }

    /// <summary>The templates' texts.</summary>
    internal IReadOnlyList<string> Sources { get; }

    /// <summary>Reads a template.</summary>
    /// <param name="text">The template.</param>
    /// <param name="specialTokens">Tokens that it may name, such as <c>bos_token</c>. A <see cref="Tokenizer"/> that applies it adds its own.</param>
    /// <param name="limits">How long and deep the template may be, and what renderings may do unless their options say otherwise; <see cref="ResourceLimits.Default"/> if null.</param>
    /// <exception cref="ChatTemplateException">The text is not a template, or uses what chat templates have no use for.</exception>
    public static ChatTemplate Parse(string text, IReadOnlyDictionary<string, string>? specialTokens = null, ResourceLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new(new Dictionary<string, string> { ["default"] = text }, specialTokens ?? new Dictionary<string, string>(), limits);
    }

    /// <summary>
    /// Reads the template of a model's folder: <c>chat_template.jinja</c> (and <c>additional_chat_templates/</c>), <c>chat_template.json</c> or
    /// <c>chat_template</c> in <c>tokenizer_config.json</c>, one template or several with names; special tokens from <c>tokenizer_config.json</c> and
    /// <c>special_tokens_map.json</c>.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="limits">How long and deep the template may be, and what renderings may do unless their options say otherwise; <see cref="ResourceLimits.Default"/> if null.</param>
    /// <exception cref="ChatTemplateException">There is no template, or it cannot be read.</exception>
    public static ChatTemplate FromFolder(string folder, ResourceLimits? limits = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return ChatTemplateFiles.Find(folder, limits) ?? throw new ChatTemplateException(
            $"{Path.GetFullPath(folder)} has no chat template: no chat_template.jinja, chat_template.json, or chat_template in tokenizer_config.json. Models not trained on conversations have none; ChatTemplate.Parse takes one of your own.");
    }

    /// <summary>Names of the templates, mostly <c>default</c> alone.</summary>
    public IEnumerable<string> Names => templates.Keys;

    /// <summary>Tokens that templates may name, by role, such as <c>bos_token</c>.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens { get; }

    /// <summary>The text of a conversation.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">Tools, the prompt for an answer, and further variables.</param>
    /// <param name="cancellationToken">Stops a rendering that takes long.</param>
    /// <exception cref="ChatTemplateException">The template fails, refuses the conversation, or does more than its limits allow.</exception>
    [OverloadResolutionPriority(1)]   // a list in brackets could be JSON, too
    public string Render(IEnumerable<ChatMessage> messages, ChatTemplateOptions? options = null, CancellationToken cancellationToken = default)
        => Rendering(messages, options, cancellation: cancellationToken).Text;

    /// <summary>The text of a conversation that is at hand as JSON, with whatever fields its messages have.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">Tools, the prompt for an answer, and further variables.</param>
    /// <param name="cancellationToken">Stops a rendering that takes long.</param>
    /// <exception cref="ChatTemplateException">The template fails, refuses the conversation, or does more than its limits allow.</exception>
    public string Render(JsonArray messages, ChatTemplateOptions? options = null, CancellationToken cancellationToken = default)
        => Rendering(messages, options, cancellation: cancellationToken).Text;

    [OverloadResolutionPriority(1)]
    internal ChatRendering Rendering(IEnumerable<ChatMessage> messages, ChatTemplateOptions? options, IReadOnlyDictionary<string, string>? specialTokens = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var all = messages.ToList();
        return Rendering(() => MessageValues.Of(all), options, specialTokens, cancellation);
    }

    internal ChatRendering Rendering(JsonArray messages, ChatTemplateOptions? options, IReadOnlyDictionary<string, string>? specialTokens = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return Rendering(() => (PyList)PythonValue.Of(messages)!, options, specialTokens, cancellation);
    }

    ChatRendering Rendering(Func<PyList> messages, ChatTemplateOptions? options, IReadOnlyDictionary<string, string>? specialTokens, CancellationToken cancellation)
    {
        options ??= new();
        var variables = new Dictionary<string, object?>();
        foreach (var (name, token) in specialTokens ?? SpecialTokens) variables[name] = token;
        foreach (var (name, token) in SpecialTokens) variables[name] = token;
        return new(Choose(options), messages, variables, options with { Limits = options.Limits ?? limits }, cancellation);
    }

    // As transformers chooses.
    JinjaTemplate Choose(ChatTemplateOptions options)
    {
        var name = options.TemplateName ?? (options.Tools is not null && templates.ContainsKey("tool_use") ? "tool_use" : "default");
        if (templates.TryGetValue(name, out var template)) return template;
        throw new ChatTemplateException($"There is no chat template named '{name}'. Set {nameof(ChatTemplateOptions)}.{nameof(ChatTemplateOptions.TemplateName)} to one of: {string.Join(", ", templates.Keys)}.");
    }
}
