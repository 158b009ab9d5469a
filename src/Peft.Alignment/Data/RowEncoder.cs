namespace Peft;

/// <summary>Turns rows into token ids: texts with the tokenizer's special tokens, conversations with its chat template.</summary>
internal sealed class RowEncoder(Tokenizer tokenizer, ChatTemplateOptions template)
{
    private readonly Tokenizer tokenizer = tokenizer ?? throw new ArgumentNullException(nameof(tokenizer));
    private readonly string? end = tokenizer.EndOfSequenceId is { } id ? tokenizer.IdToToken(id) : null;
    private int mismatches;
    private string? firstMismatch;
    private bool lacksEnd;

    /// <summary>Id of padding: the tokenizer's, or its end of sequence if there is none. Masks follow from lengths, never from ids.</summary>
    public long Padding { get; } = tokenizer.PadId ?? tokenizer.EndOfSequenceId ?? 0;

    /// <summary>What was unusual about the rows so far.</summary>
    public IEnumerable<string> Warnings
    {
        get
        {
            if (mismatches > 0)
                yield return $"The tokens of the prompt alone are not the first tokens of prompt and completion together in {mismatches} rows (first: {firstMismatch}), so that the border between them is inexact. "
                    + "Usually a token spans both: end the prompt before the space, or use a chat template whose generation prompt begins the answer.";
            if (lacksEnd) yield return "The tokenizer has no end-of-sequence token, so that texts end without one and the model does not learn to stop.";
        }
    }

    /// <summary>A text with the end-of-sequence token at its end, unless it is already there. A conversation stays as it is: its template ends it.</summary>
    public Passage Ended(Passage passage)
    {
        if (passage.Text is not { } text) return passage;
        lacksEnd |= end is null;
        return end is null || text.EndsWith(end, StringComparison.Ordinal) ? passage : new(text + end);
    }

    /// <summary>Token ids.</summary>
    /// <param name="passage">The text or conversation.</param>
    /// <param name="row">Its row: tools and variables of the template.</param>
    /// <param name="beginsAnswer">True to end a conversation with the beginning of the assistant's answer.</param>
    /// <exception cref="DatasetException">The chat template rejects the conversation, or there is none.</exception>
    public long[] Encode(Passage passage, DataRow row, bool beginsAnswer = false)
        => Longs(passage.Text is { } text ? tokenizer.Encode(text) : Chat(passage, row, beginsAnswer).Ids);

    /// <summary>A conversation, rendered and tokenized.</summary>
    /// <inheritdoc cref="Encode(Passage, DataRow, bool)"/>
    public ChatEncoding Chat(Passage passage, DataRow row, bool beginsAnswer = false)
    {
        try
        {
            return tokenizer.ApplyChatTemplate(passage.ToJson(), OptionsOf(row, beginsAnswer));
        }
        catch (ChatTemplateException error)
        {
            throw row.Wrong(error.Message, error);
        }
    }

    /// <summary>Token ids of a prompt and its completion, which are tokenized together: the completion has the tokens beyond as many as the prompt has alone.</summary>
    /// <exception cref="DatasetException">The completion has no tokens, or the chat template rejects the conversation.</exception>
    public TokenRow Encode(Passage prompt, Passage completion, DataRow row) => Divide(prompt, Encode(prompt.Then(completion, row), row), row);

    /// <summary>Divides the token ids of a prompt and its completion.</summary>
    /// <inheritdoc cref="Encode(Passage, Passage, DataRow)"/>
    public TokenRow Divide(Passage prompt, long[] whole, DataRow row)
    {
        var before = Encode(prompt, row, beginsAnswer: true);
        if (!whole.AsSpan().StartsWith(before))
        {
            mismatches++;
            firstMismatch ??= row.Place;
        }
        return whole.Length > before.Length ? new(before, whole[before.Length..])
            : throw row.Wrong("the completion has no tokens: prompt and completion together have no more than the prompt alone. Remove the row, or look at the chat template");
    }

    private ChatTemplateOptions OptionsOf(DataRow row, bool beginsAnswer)
    {
        var variables = new Dictionary<string, object?>(template.Variables);
        var tools = row.Tools;
        if (tools is not null) variables["tools"] = tools;
        foreach (var (name, value) in row.TemplateVariables ?? []) variables[name] = value;
        return template with
        {
            AddGenerationPrompt = beginsAnswer,
            ContinueFinalMessage = false,
            Variables = variables,
            // As transformers chooses if there are tools.
            TemplateName = template.TemplateName ?? (tools is not null && tokenizer.ChatTemplate?.Names.Contains("tool_use") == true ? "tool_use" : null),
        };
    }

    private static long[] Longs(IReadOnlyList<int> ids) => [.. ids.Select(id => (long)id)];
}
