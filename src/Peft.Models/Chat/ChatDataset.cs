using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peft.Models;

/// <summary>Settings of a <see cref="ChatDataset"/>.</summary>
public sealed record ChatDatasetOptions
{
    /// <summary>Tokens that a conversation may have; longer ones are cut at the end, counted and logged. 1,024.</summary>
    public int MaxLength { get; init; } = 1024;

    /// <summary>How sequences form a batch. Padded.</summary>
    public BatchLayout Layout { get; init; } = BatchLayout.Padded;

    /// <summary>
    /// Ids that generation will stop at, as <c>eos_token_id</c> in the model's <c>generation_config.json</c>; null if any special token of the tokenizer may be one.
    /// An assistant's message that ends with none is a warning (<see cref="ChatDataset"/>).
    /// </summary>
    public IReadOnlyList<int>? EndTokenIds { get; init; }

    /// <summary>What the template is told besides the messages. Its prompt for an answer is left out.</summary>
    public ChatTemplateOptions Template { get; init; } = new();

    /// <summary>Name of the conversation's field in a JSON Lines file. <c>messages</c>.</summary>
    public string MessagesField { get; init; } = "messages";
}

/// <summary>Conversations for causal language models. Labels stand on the assistant's words only (<see cref="ChatEncoding.AssistantMask"/>).</summary>
/// <remarks>
/// Two mistakes of templates are told by <see cref="Warnings"/>: no text that asks for an answer (<c>add_generation_prompt</c>), so that the model learns to
/// write "assistant:" itself; and no end-of-sequence token behind the assistant's words, so that it never learns to stop.
/// </remarks>
public sealed class ChatDataset : TrainingDataset
{
    readonly ChatDatasetOptions options;
    readonly long padding;
    readonly List<LabelledSequence> sequences = [];
    readonly List<string> warnings = [];
    readonly Func<int, bool> isEnd;
    bool answered, ended;

    /// <summary>Renders and tokenises conversations.</summary>
    /// <param name="conversations">The conversations.</param>
    /// <param name="tokenizer">Makes the ids, with its chat template.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Is told of conversations that were cut or dropped, and of <see cref="Warnings"/>.</param>
    /// <param name="name">What errors call the dataset.</param>
    /// <exception cref="DatasetException">There is no conversation, or none has words of the assistant within the maximal length.</exception>
    /// <exception cref="ChatTemplateException">There is no template, it refuses a conversation, or does not tell which words are the assistant's.</exception>
    public ChatDataset(IEnumerable<IEnumerable<ChatMessage>> conversations, Tokenizer tokenizer, ChatDatasetOptions? options = null, ILogger? logger = null, string name = "chat dataset")
        : this(tokenizer, options, name)
    {
        ArgumentNullException.ThrowIfNull(conversations);
        foreach (var conversation in conversations) Add(tokenizer.ApplyChatTemplate(conversation, Template));
        Finish(logger);
    }

    ChatDataset(Tokenizer tokenizer, ChatDatasetOptions? options, string name)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        this.options = options ?? new();
        ArgumentOutOfRangeException.ThrowIfLessThan(this.options.MaxLength, 2, nameof(ChatDatasetOptions.MaxLength));
        Name = name;
        isEnd = this.options.EndTokenIds is { } ends ? ends.Contains : id => id != tokenizer.UnknownId && tokenizer.IsSpecial(id);
        padding = tokenizer.PadId ?? tokenizer.EndOfSequenceId ?? 0;
    }

    /// <inheritdoc/>
    public override int Count => sequences.Count;

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Warnings => warnings;

    /// <summary>Conversations that were cut at <see cref="ChatDatasetOptions.MaxLength"/>.</summary>
    public int TruncatedRows { get; private set; }

    /// <summary>Conversations left out because nothing of the assistant's fitted, or it says nothing.</summary>
    public int DroppedRows { get; private set; }

    /// <summary>The conversations of a JSON Lines file: an object per line, with a list of messages, and tools or other variables of the template beside it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tokenizer">Makes the ids, with its chat template.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Is told of conversations that were cut or dropped, and of <see cref="Warnings"/>.</param>
    /// <exception cref="DatasetException">The file cannot be read, a line is wrong or refused by the template (the message names it), or there is nothing to learn.</exception>
    public static ChatDataset FromFile(string path, Tokenizer tokenizer, ChatDatasetOptions? options = null, ILogger? logger = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var dataset = new ChatDataset(tokenizer, options, path);
        foreach (var (row, line) in JsonLines.Read(path, (row, line) => (StrictJson.Object(System.Text.Encoding.UTF8.GetBytes(row.GetRawText()), $"{path}, line {line}", (message, inner) => new DatasetException(message, inner)), line))) dataset.Add(row, line, tokenizer);
        dataset.Finish(logger);
        return dataset;
    }

    /// <inheritdoc/>
    public override int LengthOf(int row) => sequences[row].Ids.Length;

    /// <inheritdoc/>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        return LabelledSequence.ToBatch([.. rows.Select(row => sequences[row])], options.Layout, padding);
    }

    ChatTemplateOptions Template => options.Template with { AddGenerationPrompt = false, ContinueFinalMessage = false };

    void Add(JsonObject row, int line, Tokenizer tokenizer)
    {
        if (row[options.MessagesField] is not JsonArray messages)
            throw new DatasetException($"{Name}, line {line}: there is no list of messages in the field \"{options.MessagesField}\".");
        var variables = new Dictionary<string, object?>(options.Template.Variables);
        foreach (var (name, value) in row)
            if (name != options.MessagesField) variables[name] = value;
        try
        {
            Add(tokenizer.ApplyChatTemplate(messages, Template with { Variables = variables }));
        }
        catch (ChatTemplateException exception)
        {
            throw new DatasetException($"{Name}, line {line}: {exception.Message}", exception);
        }
    }

    void Add(ChatEncoding chat)
    {
        Look(chat);
        long[] ids = [.. chat.Ids.Take(options.MaxLength).Select(id => (long)id)];
        long[] labels = [.. chat.Labels.Take(options.MaxLength)];
        // The first position of a sequence is never predicted; in a packed row its label would be learned from the sequence before.
        if (labels.Length > 0) labels[0] = Batch.IgnoredLabel;
        var sequence = new LabelledSequence(ids, labels);
        if (sequence.Learned == 0)
        {
            DroppedRows++;
            return;
        }
        if (chat.Ids.Count > options.MaxLength) TruncatedRows++;
        sequences.Add(sequence);
    }

    // The first conversation with an answer shows what the template does.
    void Look(ChatEncoding chat)
    {
        ended = ended || chat.Labels.Any(id => id >= 0 && isEnd((int)id));
        if (answered || !chat.AssistantMask.Contains(true)) return;
        answered = true;
        if (chat.Rendering.MissingPrompt() is { } missing)
            warnings.Add($"{Name}: the chat template has no text that asks for an answer, so that the model must write \"{Shortened(missing)}\" itself before each. End the template with "
                + "{% if add_generation_prompt %} and what stands before the assistant's words.");
    }

    static string Shortened(string text) => text.Length <= 60 ? text : text[..60] + "…";

    void Finish(ILogger? logger)
    {
        if (answered && !ended)
            warnings.Add($"{Name}: the assistant's words are followed by no token that generation stops at ({(options.EndTokenIds is { } ids ? string.Join(", ", ids) : "the tokenizer's special tokens")}), so that the model "
                + "never learns to stop. Put {{ eos_token }}, or the token by which the model ends a message, behind the assistant's content, within the generation block if there is one.");
        foreach (var warning in warnings) TrainingLog.Warning(logger ?? NullLogger.Instance, warning);
        if (sequences.Count == 0)
            throw new DatasetException(DroppedRows == 0
                ? $"{Name} has no conversations."
                : $"None of the {DroppedRows} conversations of {Name} has words of the assistant within {options.MaxLength} tokens: raise MaxLength, or look at the roles.");
        if (TruncatedRows + DroppedRows > 0)
            TrainingLog.RowsCut(logger ?? NullLogger.Instance, Name, TruncatedRows, DroppedRows, options.MaxLength);
    }
}
