using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;

namespace Peft;

/// <summary>Texts, conversations, or prompts with completions, for supervised fine-tuning.</summary>
/// <remarks>
/// A row has <c>prompt</c> and <c>completion</c> (texts or lists of messages), or <c>messages</c>, or <c>text</c>. <c>conversations</c> is another name of <c>messages</c>, and <c>from</c> and <c>value</c> of
/// <c>role</c> and <c>content</c>, where <c>human</c> and <c>gpt</c> mean the user and the assistant. <c>tools</c> and <c>chat_template_kwargs</c> go to the chat template. Texts and completions get the
/// end-of-sequence token. Prompt and completion are tokenized together.
/// </remarks>
public sealed class SftDataset : AlignmentDataset
{
    private readonly SftDatasetOptions options;
    private readonly Tokenizer tokenizer;
    private readonly RowEncoder encoder;
    private readonly TokenRows packed;
    private bool ends;

    private SftDataset(Dataset data, Tokenizer tokenizer, SftDatasetOptions? options, TokenCache? cache, ILogger? logger) : base(data.Name)
    {
        this.options = options ?? new();
        if (this.options.Errors().FirstOrDefault() is { } error) throw new ArgumentException(error, nameof(options));
        this.tokenizer = tokenizer;
        encoder = new(tokenizer, this.options.Template);
        packed = Prepare(data, tokenizer, cache, () => RowSettings.Text(this.options, tokenizer, this.options.Template), encoder, this.options.MaxLength, logger, add =>
        {
            var any = false;
            foreach (var documents in Packing.Pack(Sequences(DataRow.From(data)), this.options.Packing, this.options.MaxLength ?? int.MaxValue))
            {
                if (!documents.Any(Learns))
                {
                    DroppedRows += documents.Length;
                    continue;
                }
                add([.. documents.SelectMany(document => new[] { document.Ids, document.Labels })]);
                any = true;
            }
            if (this.options.AssistantOnly && any && !ends)
                Warn("no special token is learned after what the assistant says, so that the model does not learn to stop: put the token that ends a message inside the generation block of the chat template.");
        });
    }

    /// <inheritdoc/>
    /// <remarks>The number of packed rows, if rows are packed.</remarks>
    public override int Count => packed.Count;

    /// <summary>The documents of each row, with the label of each of their tokens.</summary>
    internal IReadOnlyList<LabelledSequence[]> Rows => [.. Enumerable.Range(0, Count).Select(Documents)];

    /// <summary>Reads a file of any format that <see cref="Dataset.Load"/> reads.</summary>
    /// <inheritdoc cref="PreferenceDataset.FromFile"/>
    public static SftDataset FromFile(string path, Tokenizer tokenizer, SftDatasetOptions? options = null, ILogger? logger = null)
        => From(Dataset.Load(path), tokenizer, options, logger);

    /// <summary>Prepares the rows of a dataset.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="tokenizer">The tokenizer, with a chat template if rows are conversations.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the number of truncated and dropped rows.</param>
    /// <param name="cache">Keeps the tokens on disk, and finds them there the next time; null to keep them in memory.</param>
    /// <exception cref="DatasetException">A row is invalid (the message names it and what to do), or there is nothing to train on.</exception>
    public static SftDataset From(Dataset data, Tokenizer tokenizer, SftDatasetOptions? options = null, ILogger? logger = null, TokenCache? cache = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return new(data, tokenizer, options, cache, logger);
    }

    /// <summary>Prepares rows.</summary>
    /// <inheritdoc cref="PreferenceDataset.FromRows"/>
    public static SftDataset FromRows(IEnumerable<JsonObject> rows, Tokenizer tokenizer, SftDatasetOptions? options = null, ILogger? logger = null, string name = "SFT dataset")
        => From(Dataset.Of(rows, name), tokenizer, options, logger);

    /// <inheritdoc/>
    public override int LengthOf(int row)
    {
        RequireRow(row, Count);
        return packed.LengthsOf(row).Sum() / 2;   // ids and labels
    }

    /// <inheritdoc/>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        var layout = options.Packing is PackingStrategy.BestFit or PackingStrategy.BestFitSplit ? BatchLayout.Packed : options.Layout;
        return ToBatch(rows.SelectMany(Documents), layout, encoder.Padding);
    }

    /// <summary>A batch of documents. The first token of each is never predicted.</summary>
    internal static Batch ToBatch(IEnumerable<LabelledSequence> documents, BatchLayout layout, long padding)
        => LabelledSequence.ToBatch([.. documents.Select(each => new LabelledSequence(each.Ids, [Batch.IgnoredLabel, .. each.Labels.Skip(1)]))], layout, padding);

    private LabelledSequence[] Documents(int row) => [.. packed[row].Chunk(2).Select(each => new LabelledSequence(each[0], each[1]))];

    // One by one, as packing takes them.
    private IEnumerable<LabelledSequence> Sequences(IEnumerable<DataRow> rows)
    {
        foreach (var row in rows)
        {
            var sequence = Read(row);
            var isLonger = sequence.Ids.Length > options.MaxLength;
            if (options.Packing == PackingStrategy.None)
            {
                if (isLonger) sequence = Cut(sequence);
                if (!Learns(sequence))
                {
                    DroppedRows++;
                    continue;
                }
            }
            if (isLonger && options.Packing is PackingStrategy.None or PackingStrategy.BestFit) TruncatedRows++;
            yield return sequence;
        }
    }

    private LabelledSequence Cut(LabelledSequence row)
        => new(TokenRow.Cut(row.Ids, options.MaxLength, options.Truncation), TokenRow.Cut(row.Labels, options.MaxLength, options.Truncation));

    private static bool Learns(LabelledSequence document) => document.Labels.Skip(1).Any(label => label != Batch.IgnoredLabel);

    private LabelledSequence Read(DataRow row)
    {
        if (row.Has("prompt")) return PromptAndCompletion(row);
        var passage = row.Passage(row.Has("messages") ? "messages" : row.Has("conversations") ? "conversations" : options.TextField);
        if (passage.IsEmpty) throw row.Wrong("there is nothing to learn: the text or conversation is empty. Remove the row, or give it");
        if (options.CompletionOnly == true) throw row.Wrong("CompletionOnly is true, but the row has no prompt and completion: give these fields, or leave CompletionOnly out");
        if (passage.IsChat) return options.LastMessageOnly ? LastMessage(passage, row) : Conversation(passage, row);
        RefuseText(row);
        var ids = encoder.Encode(encoder.Ended(passage), row);
        return new(ids, ids);
    }

    private LabelledSequence LastMessage(Passage conversation, DataRow row)
    {
        if (conversation.Messages.Count < 2) throw row.Wrong("LastMessageOnly is true, but there is a single message, which has no prompt: remove the row");
        return AfterPrompt(new([.. conversation.Messages.SkipLast(1)]), Conversation(conversation, row), row);
    }

    // Learns what follows the prompt.
    private LabelledSequence AfterPrompt(Passage prompt, LabelledSequence whole, DataRow row)
    {
        var first = encoder.Divide(prompt, whole.Ids, row).Prompt.Length;
        return new(whole.Ids, [.. whole.Labels.Select((each, i) => i < first ? Batch.IgnoredLabel : each)]);
    }

    private LabelledSequence PromptAndCompletion(DataRow row)
    {
        if (row.Fields["label"] is JsonValue label && label.TryGetValue<bool>(out _))
            throw row.Wrong($"the row has a label of true or false, so that it is one of {nameof(UnpairedDataset)}: supervised fine-tuning would learn undesirable completions too. Keep the desirable rows, without the label");
        var (prompt, completion) = (row.Passage("prompt"), row.Passage("completion"));
        if (completion.IsEmpty) throw row.Wrong("the field \"completion\" is empty: remove the row, or give the completion");
        if (prompt is { IsChat: true, IsEmpty: true }) throw row.Wrong("the prompt has no messages: give it, or put the conversation into \"messages\"");
        var both = prompt.Then(encoder.Ended(completion), row);
        var whole = both.IsChat ? Conversation(both, row) : Text(both, row);
        return options.CompletionOnly == false ? whole : AfterPrompt(prompt, whole, row);
    }

    private LabelledSequence Text(Passage text, DataRow row)
    {
        RefuseText(row);
        var ids = encoder.Encode(text, row);
        return new(ids, ids);
    }

    private LabelledSequence Conversation(Passage messages, DataRow row)
    {
        var chat = encoder.Chat(messages, row);
        long[] ids = [.. chat.Ids.Select(id => (long)id)];
        if (!options.AssistantOnly) return new(ids, ids);
        long[] labels = [.. LabelsOf(chat, row)];
        if (labels.All(label => label == Batch.IgnoredLabel))
            throw row.Wrong("AssistantOnly is true, but no token belongs to the assistant: the conversation has no message with the role \"assistant\", or the chat template's {% generation %} blocks do not contain it");
        ends = ends || labels.Any(label => label != Batch.IgnoredLabel && tokenizer.Decode([(int)label]).Length == 0);
        return new(ids, labels);
    }

    private static IReadOnlyList<long> LabelsOf(ChatEncoding chat, DataRow row)
    {
        try
        {
            return chat.Labels;
        }
        catch (ChatTemplateException error)
        {
            throw row.Wrong(error.Message, error);
        }
    }

    private void RefuseText(DataRow row)
    {
        if (options.AssistantOnly) throw row.Wrong("AssistantOnly is true, but the row is text, not a conversation: give messages, or leave AssistantOnly out");
    }
}
