using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peft.Models;

/// <summary>Conversations for training causal language models. Only the assistant's tokens have labels (<see cref="ChatEncoding.AssistantMask"/>).</summary>
/// <remarks>
/// <see cref="Warnings"/> reports two mistakes of templates. Without a generation prompt (<c>add_generation_prompt</c>), the model has to generate
/// "assistant:" itself. Without an end-of-sequence token after the assistant's content, the model never learns to stop.
/// </remarks>
public sealed class ChatDataset : TrainingDataset
{
    private readonly ChatDatasetOptions options;
    private readonly long padding;
    private readonly List<LabelledSequence> sequences = [];
    private readonly List<string> warnings = [];
    private readonly Func<int, bool> isEnd;
    private bool answered, ended;

    /// <summary>Renders and tokenizes conversations.</summary>
    /// <param name="conversations">The conversations.</param>
    /// <param name="tokenizer">The tokenizer, with a chat template.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <param name="logger">Receives a warning about truncated or dropped conversations, and the <see cref="Warnings"/>.</param>
    /// <param name="name">Name of the dataset in error messages.</param>
    /// <exception cref="DatasetException">There are no conversations, or none has assistant content within the maximum length.</exception>
    /// <exception cref="ChatTemplateException">There is no template, it rejects a conversation, or it does not show which tokens are the assistant's.</exception>
    public ChatDataset(IEnumerable<IEnumerable<ChatMessage>> conversations, Tokenizer tokenizer, ChatDatasetOptions? options = null, ILogger? logger = null, string name = "chat dataset")
        : this(tokenizer, options, name)
    {
        ArgumentNullException.ThrowIfNull(conversations);
        foreach (var conversation in conversations) Add(tokenizer.ApplyChatTemplate(conversation, Template));
        Finish(logger);
    }

    private ChatDataset(Tokenizer tokenizer, ChatDatasetOptions? options, string name)
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

    /// <summary>Number of conversations truncated to <see cref="ChatDatasetOptions.MaxLength"/>.</summary>
    public int TruncatedRows { get; private set; }

    /// <summary>Number of conversations dropped because they have no assistant content within the maximum length.</summary>
    public int DroppedRows { get; private set; }

    /// <summary>Loads the conversations of a file in any format that <see cref="Dataset.Load"/> reads. Each row has a list of messages. Other fields, such as tools, become variables of the template.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tokenizer">The tokenizer, with a chat template.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <param name="logger">Receives a warning about truncated or dropped conversations, and the <see cref="Warnings"/>.</param>
    /// <exception cref="DatasetException">The file cannot be read, a line is invalid or rejected by the template (the message names it), or there is nothing to learn.</exception>
    public static ChatDataset FromFile(string path, Tokenizer tokenizer, ChatDatasetOptions? options = null, ILogger? logger = null)
        => From(Dataset.Load(path), tokenizer, options, logger);

    /// <summary>Prepares the conversations of a dataset. Each row has a list of messages. Other fields, such as tools, become variables of the template.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="tokenizer">The tokenizer, with a chat template.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <param name="logger">Receives a warning about truncated or dropped conversations, and the <see cref="Warnings"/>.</param>
    /// <exception cref="DatasetException">A row is invalid or rejected by the template (the message names it), or there is nothing to learn.</exception>
    public static ChatDataset From(Dataset data, Tokenizer tokenizer, ChatDatasetOptions? options = null, ILogger? logger = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        var dataset = new ChatDataset(tokenizer, options, data.Name);
        foreach (var row in data) dataset.Add(row.Fields, row.Place, tokenizer);
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

    private ChatTemplateOptions Template => options.Template with { AddGenerationPrompt = false, ContinueFinalMessage = false };

    private void Add(JsonObject row, string place, Tokenizer tokenizer)
    {
        if (row[options.MessagesField] is not JsonArray messages)
            throw new DatasetException($"{place}: the field \"{options.MessagesField}\" is not a list of messages.");
        var variables = new Dictionary<string, object?>(options.Template.Variables);
        foreach (var (name, value) in row)
            if (name != options.MessagesField) variables[name] = value;
        try
        {
            Add(tokenizer.ApplyChatTemplate(messages, Template with { Variables = variables }));
        }
        catch (ChatTemplateException exception)
        {
            throw new DatasetException($"{place}: {exception.Message}", exception);
        }
    }

    private void Add(ChatEncoding chat)
    {
        Look(chat);
        long[] ids = [.. chat.Ids.Take(options.MaxLength).Select(id => (long)id)];
        long[] labels = [.. chat.Labels.Take(options.MaxLength)];
        // The first position of a sequence is never predicted. In a packed row its label would be predicted from the previous sequence.
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

    // The first conversation with an answer reveals the behavior of the template.
    private void Look(ChatEncoding chat)
    {
        ended = ended || chat.Labels.Any(id => id >= 0 && isEnd((int)id));
        if (answered || !chat.AssistantMask.Contains(true)) return;
        answered = true;
        if (chat.Rendering.MissingPrompt() is { } missing)
            warnings.Add($"{Name}: the chat template has no generation prompt, so the model must generate \"{Shortened(missing)}\" itself before each answer. End the template with "
                + "{% if add_generation_prompt %} and the text that precedes the assistant's content.");
    }

    private static string Shortened(string text) => text.Length <= 60 ? text : text[..60] + "…";

    private void Finish(ILogger? logger)
    {
        if (answered && !ended)
            warnings.Add($"{Name}: no token that stops generation ({(options.EndTokenIds is { } ids ? string.Join(", ", ids) : "the tokenizer's special tokens")}) follows the assistant's content, so the model "
                + "never learns to stop. Put {{ eos_token }}, or the token that ends a message of the model, after the assistant's content, inside the generation block if there is one.");
        foreach (var warning in warnings) TrainingLog.Warning(logger ?? NullLogger.Instance, warning);
        if (sequences.Count == 0)
            throw new DatasetException(DroppedRows == 0
                ? $"{Name} has no conversations."
                : $"None of the {DroppedRows} conversations of {Name} has assistant content within {options.MaxLength} tokens: raise MaxLength, or check the roles.");
        if (TruncatedRows + DroppedRows > 0)
            TrainingLog.RowsCut(logger ?? NullLogger.Instance, Name, TruncatedRows, DroppedRows, options.MaxLength);
    }
}
