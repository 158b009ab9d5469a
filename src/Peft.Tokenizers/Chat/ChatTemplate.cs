using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Peft.Tokenizers.Jinja;
using Peft.Tokenizers;

namespace Peft;

/// <summary>
/// A model's chat template: renders a conversation in the text format that the model was trained on. Templates are Jinja programs. This class implements the subset
/// of Jinja 3.1 that they use, with the settings, functions and the <c>{% generation %}</c> tag of transformers. Immutable and thread-safe.
/// </summary>
/// <remarks>
/// Messages are converted to the fields that templates expect: <c>role</c>, <c>content</c>, <c>name</c>, <c>reasoning_content</c>, <c>tool_calls</c> (<c>type</c>, <c>id</c>,
/// <c>function</c> with <c>name</c> and <c>arguments</c>). Each tool result is a message with <c>tool_call_id</c> and <c>name</c>. A message's
/// <see cref="ChatMessage.AdditionalProperties"/> are added under their own names. Integers have 64 bits. HTML filters return plain strings, not Markup.
/// </remarks>
public sealed class ChatTemplate
{
    /// <summary>Where the limits for reading a template are set, for error messages.</summary>
    internal const string WhereLimitsAre = $"{nameof(PretrainedOptions)}.{nameof(PretrainedOptions.Limits)} or the call that reads the template";

    private readonly IReadOnlyDictionary<string, JinjaTemplate> templates;
    private readonly ResourceLimits limits;

    internal ChatTemplate(IReadOnlyDictionary<string, string> texts, IReadOnlyDictionary<string, string> specialTokens, ResourceLimits? limits)
    {
        this.limits = limits ?? ResourceLimits.Default;
        templates = texts.ToDictionary(text => text.Key, text => JinjaTemplate.Parse(text.Value, this.limits));
        SpecialTokens = specialTokens;
        Sources = [.. texts.Values];
    }

    /// <summary>Sources of the templates.</summary>
    internal IReadOnlyList<string> Sources { get; }

    /// <summary>Parses a template.</summary>
    /// <param name="text">The template.</param>
    /// <param name="specialTokens">Special tokens for the template, such as <c>bos_token</c>. A <see cref="Tokenizer"/> that applies the template adds its special tokens.</param>
    /// <param name="limits">Limits on the size and depth of the template, and default limits of renderings; null for <see cref="ResourceLimits.Default"/>.</param>
    /// <exception cref="ChatTemplateException">The template is invalid, or uses a feature that is not supported.</exception>
    public static ChatTemplate Parse(string text, IReadOnlyDictionary<string, string>? specialTokens = null, ResourceLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new(new Dictionary<string, string> { ["default"] = text }, specialTokens ?? new Dictionary<string, string>(), limits);
    }

    /// <summary>
    /// Reads the chat template of a model folder: <c>chat_template.jinja</c> (and <c>additional_chat_templates/</c>), <c>chat_template.json</c> or
    /// <c>chat_template</c> in <c>tokenizer_config.json</c>, a single template or several named ones. Special tokens come from <c>tokenizer_config.json</c> and
    /// <c>special_tokens_map.json</c>.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="limits">Limits on the size and depth of the template, and default limits of renderings; null for <see cref="ResourceLimits.Default"/>.</param>
    /// <exception cref="ChatTemplateException">There is no template, or it cannot be read.</exception>
    public static ChatTemplate FromFolder(string folder, ResourceLimits? limits = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return ChatTemplateFiles.Find(folder, limits) ?? throw new ChatTemplateException(
            $"{Path.GetFullPath(folder)} has no chat template: no chat_template.jinja, chat_template.json, or chat_template in tokenizer_config.json. Models that were not trained on conversations have none: pass a template to ChatTemplate.Parse.");
    }

    /// <summary>Names of the templates, usually only <c>default</c>.</summary>
    public IEnumerable<string> Names => templates.Keys;

    /// <summary>Special tokens for the templates, by role, such as <c>bos_token</c>.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens { get; }

    /// <summary>Renders a conversation.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">Tools, the generation prompt, and additional variables.</param>
    /// <param name="cancellationToken">Cancels the rendering.</param>
    /// <exception cref="ChatTemplateException">The template fails, rejects the conversation, renders no tools although there are some, or exceeds a limit.</exception>
    [OverloadResolutionPriority(1)]   // a collection expression also converts to a JsonArray
    public string Render(IEnumerable<ChatMessage> messages, ChatTemplateOptions? options = null, CancellationToken cancellationToken = default)
        => Rendering(messages, options, cancellationToken: cancellationToken).Text;

    /// <summary>Renders a conversation in JSON. Messages may have any fields.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">Tools, the generation prompt, and additional variables.</param>
    /// <param name="cancellationToken">Cancels the rendering.</param>
    /// <exception cref="ChatTemplateException">The template fails, rejects the conversation, or exceeds a limit.</exception>
    public string Render(JsonArray messages, ChatTemplateOptions? options = null, CancellationToken cancellationToken = default)
        => Rendering(messages, options, cancellationToken: cancellationToken).Text;

    [OverloadResolutionPriority(1)]
    internal ChatRendering Rendering(IEnumerable<ChatMessage> messages, ChatTemplateOptions? options, IReadOnlyDictionary<string, string>? specialTokens = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var all = messages.ToList();
        return Rendering(() => MessageValues.Of(all), options, specialTokens, cancellationToken);
    }

    internal ChatRendering Rendering(JsonArray messages, ChatTemplateOptions? options, IReadOnlyDictionary<string, string>? specialTokens = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return Rendering(() => (PyList)PythonValue.Of(messages)!, options, specialTokens, cancellationToken);
    }

    private ChatRendering Rendering(Func<PyList> messages, ChatTemplateOptions? options, IReadOnlyDictionary<string, string>? specialTokens, CancellationToken cancellationToken)
    {
        options ??= new();
        var variables = new Dictionary<string, object?>();
        foreach (var (name, token) in specialTokens ?? SpecialTokens) variables[name] = token;
        foreach (var (name, token) in SpecialTokens) variables[name] = token;
        return new(Choose(options), messages, variables, options with { Limits = options.Limits ?? limits }, cancellationToken);
    }

    // Chooses as transformers does.
    private JinjaTemplate Choose(ChatTemplateOptions options)
    {
        var name = options.TemplateName ?? (options.Tools is not null && templates.ContainsKey("tool_use") ? "tool_use" : "default");
        if (templates.TryGetValue(name, out var template)) return template;
        throw new ChatTemplateException($"There is no chat template named '{name}'. Set {nameof(ChatTemplateOptions)}.{nameof(ChatTemplateOptions.TemplateName)} to one of: {string.Join(", ", templates.Keys)}.");
    }
}
