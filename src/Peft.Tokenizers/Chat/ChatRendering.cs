using Peft.Tokenizers.Jinja;

namespace Peft.Tokenizers;

/// <summary>The rendered text of a conversation, with the spans of the assistant's content.</summary>
internal sealed class ChatRendering
{
    // A string that does not occur in messages. The space that follows it shows whether the template trims messages.
    private const string Marker = "\uE0F1final-message\uE0F2";

    private readonly JinjaTemplate template;
    private readonly Func<PyList> messages;
    private readonly Dictionary<string, object?> specialTokens;
    private readonly ChatTemplateOptions options;
    private readonly CancellationToken cancellationToken;
    private readonly RenderRun run;

    public ChatRendering(JinjaTemplate template, Func<PyList> messages, Dictionary<string, object?> specialTokens, ChatTemplateOptions options, CancellationToken cancellationToken)
    {
        if (options is { AddGenerationPrompt: true, ContinueFinalMessage: true })
            throw new ArgumentException("A text cannot both begin a new message (AddGenerationPrompt) and continue the last one (ContinueFinalMessage): set only one of them.", nameof(options));
        if (options.Tools is { Count: > 0 } && !template.Uses("tools"))
            throw new ChatTemplateException("The conversation has tools, but the chat template does not render any: the model was not trained to call tools. Leave them out, or set a template that writes the variable 'tools'.");
        (this.template, this.messages, this.specialTokens, this.options, this.cancellationToken) = (template, messages, specialTokens, options, cancellationToken);
        (Text, run) = Render(messages(), options.AddGenerationPrompt, options.ContinueFinalMessage);
    }

    public string Text { get; }

    /// <summary>The spans of the assistant's content, in UTF-16 code units: from the template's generation blocks, or else from the text that each assistant message adds.</summary>
    /// <exception cref="ChatTemplateException">The template does not determine the spans.</exception>
    public IReadOnlyList<(int Start, int End)> AssistantSpans()
    {
        if (!template.HasGeneration) return GrownSpans();
        if (run.GenerationInCapture is { } line)
            throw new ChatTemplateException("The position of a generation block inside a macro or captured text is unknown: move it to the top level of the template.", line);
        return [.. run.Generated.Select(span => (span.Start, Math.Min(span.End, Text.Length))).Where(span => span.Start < span.Item2)];
    }

    /// <summary>
    /// The text that the template renders before the first answer but not as the generation prompt (<c>add_generation_prompt</c>), so that the
    /// model has to generate it. Null if there is no such text, or if it cannot be determined.
    /// </summary>
    public string? MissingPrompt()
    {
        var all = messages();
        var at = all.Items.FindIndex(each => each is PyDict message && message.TryGet("role", out var role) && role is "assistant");
        if (at <= 0 || !((PyDict)all[at]!).TryGet("content", out var content) || content is not string words || words.Trim() is not { Length: > 0 } answer) return null;
        try
        {
            var before = Render(First(at), addGenerationPrompt: false, continueFinal: false).Text;
            if (Render(First(at), addGenerationPrompt: true, continueFinal: false).Text != before) return null;
            var through = Render(First(at + 1), addGenerationPrompt: false, continueFinal: false).Text;
            if (!through.StartsWith(before, StringComparison.Ordinal) || through.IndexOf(answer, before.Length, StringComparison.Ordinal) is not (>= 0 and var begin)) return null;
            return through[before.Length..begin].Trim() is { Length: > 0 } missing ? missing : null;
        }
        catch (ChatTemplateException)
        {
            // A template may reject an incomplete conversation.
            return null;
        }
    }

    // The assistant generates the text that its message adds after the generation prompt.
    private List<(int Start, int End)> GrownSpans()
    {
        var all = messages();
        var spans = new List<(int, int)>();
        for (var i = 0; i < all.Count; i++)
        {
            if (all[i] is not PyDict message || !message.TryGet("role", out var role) || role is not "assistant") continue;
            var before = Render(First(i), addGenerationPrompt: true, continueFinal: false).Text;
            var through = options.ContinueFinalMessage && i == all.Count - 1 ? Text : Render(First(i + 1), addGenerationPrompt: false, continueFinal: false).Text;
            if (!through.StartsWith(before, StringComparison.Ordinal) || !Text.StartsWith(through, StringComparison.Ordinal))
                throw new ChatTemplateException(
                    $"The template has no generation block, and its rendering of message {i + 1} depends on the messages that follow, so the assistant's content is unknown. Put {{% generation %}} and {{% endgeneration %}} around it in the template.");
            spans.Add((before.Length, through.Length));
        }
        return spans;
    }

    private PyList First(int count) => new([.. messages().Take(count)]);

    private (string Text, RenderRun Run) Render(PyList conversation, bool addGenerationPrompt, bool continueFinal)
    {
        if (continueFinal) Mark(conversation);
        var variables = new Dictionary<string, object?>(specialTokens)
        {
            ["messages"] = conversation,
            ["tools"] = options.Tools is null ? null : MessageValues.OfTools(options.Tools),
            ["documents"] = null,
            ["add_generation_prompt"] = addGenerationPrompt,
        };
        foreach (var (name, value) in options.Variables) variables[name] = PythonValue.Of(value);
        var (text, finished) = template.Render(variables, options.Limits!, options.Clock, cancellationToken);
        return (continueFinal ? Cut(text) : text, finished);
    }

    private static void Mark(PyList conversation)
    {
        if (conversation is not [.., PyDict last]) throw new ChatTemplateException("There is no final message to continue.");
        last.TryGet("content", out var content);
        if (content is PyList parts && parts.Items.OfType<PyDict>().LastOrDefault(part => part.Contains("text")) is { } textPart)
        {
            textPart.TryGet("text", out content);
            last = textPart;
            last["text"] = content + Marker + " ";
            return;
        }
        if (content is not string text) throw new ChatTemplateException("The final message has no text to continue.");
        last["content"] = text + Marker + " ";
    }

    private static string Cut(string text)
    {
        var at = text.LastIndexOf(Marker, StringComparison.Ordinal);
        if (at < 0) throw new ChatTemplateException("The final message cannot be continued: the template drops all or part of it.");
        // A template that trims messages would also have trimmed the message without the marker.
        var trims = at + Marker.Length >= text.Length || text[at + Marker.Length] != ' ';
        return trims ? text[..at].TrimEnd() : text[..at];
    }
}
