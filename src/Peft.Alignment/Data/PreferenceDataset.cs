using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Pairs of a chosen and a rejected completion of the same prompt, as DPO and related methods learn from.</summary>
/// <remarks>
/// A row has <c>prompt</c>, <c>chosen</c> and <c>rejected</c>, all texts or all lists of messages; without <c>prompt</c>, it is the common beginning of the other two. <c>tools</c> and
/// <c>chat_template_kwargs</c> go to the chat template. Texts get the end-of-sequence token. Prompt and completion are tokenized together. A batch holds <see cref="Batch.InputIds"/>
/// <c>[2n, sequence]</c>, the chosen rows first, the attention mask, <c>completion_mask</c>, and <c>texts</c>, the number of texts of each pair. With
/// <see cref="PreferenceDatasetOptions.HasReference"/>, a row has <c>reference</c> too, and a batch has <c>[3n, sequence]</c> ids, the references last.
/// </remarks>
public sealed class PreferenceDataset : AlignmentDataset
{
    private readonly PreferenceDatasetOptions options;
    private readonly long padding;
    private readonly TokenRows pairs;

    private PreferenceDataset(Dataset data, Tokenizer tokenizer, PreferenceDatasetOptions? options, TokenCache? cache, ILogger? logger) : base(data.Name)
    {
        this.options = options ?? new();
        RequireLength(this.options.MaxLength);
        var encoder = new RowEncoder(tokenizer, this.options.Template);
        padding = encoder.Padding;
        pairs = Prepare(data, tokenizer, cache, () => RowSettings.Text(this.options, tokenizer, this.options.Template), encoder, this.options.MaxLength, logger, add =>
        {
            var alike = 0;
            foreach (var row in DataRow.From(data))
            {
                var (prompt, chosen, rejected) = PreferencePassages.Of(row).WithPrompt(row);
                TokenRow Encoded(Passage completion) => encoder.Encode(prompt, encoder.Ended(completion), row);
                var pair = new PreferenceRow(Encoded(chosen), Encoded(rejected), this.options.HasReference ? Encoded(PreferencePassages.Reference(row, prompt)) : null);
                if (this.options.Truncation == TruncationMode.KeepStart && pair.Chosen.Prompt.Length >= this.options.MaxLength)
                {
                    DroppedRows++;
                    continue;
                }
                if (Array.Exists(pair.Texts, text => text.Length > this.options.MaxLength))
                {
                    TruncatedRows++;
                    if (Ids(pair.Chosen).AsSpan().SequenceEqual(Ids(pair.Rejected))) alike++;
                }
                add([.. pair.Texts.SelectMany(text => new[] { text.Prompt, text.Completion })]);
            }
            if (alike > 0) Warn($"in {alike} pairs, chosen and rejected differ only beyond {this.options.MaxLength} tokens, so that nothing is learned from them: raise MaxLength.");
        });
    }

    /// <inheritdoc/>
    public override int Count => pairs.Count;

    /// <summary>The token ids of the pairs, not truncated.</summary>
    internal IReadOnlyList<PreferenceRow> Pairs => [.. Enumerable.Range(0, Count).Select(Pair)];

    /// <summary>Reads a file of any format that <see cref="Dataset.Load"/> reads.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tokenizer">The tokenizer, with a chat template if rows are conversations.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the number of truncated and dropped rows.</param>
    /// <exception cref="DatasetException">The file cannot be read, a row is invalid (the message names its line and what to do), or there is nothing to train on.</exception>
    public static PreferenceDataset FromFile(string path, Tokenizer tokenizer, PreferenceDatasetOptions? options = null, ILogger? logger = null)
        => From(Dataset.Load(path), tokenizer, options, logger);

    /// <summary>Prepares the rows of a dataset.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="tokenizer">The tokenizer, with a chat template if rows are conversations.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the number of truncated and dropped rows.</param>
    /// <param name="cache">Keeps the tokens on disk, and finds them there the next time; null to keep them in memory.</param>
    /// <exception cref="DatasetException">A row is invalid (the message names it and what to do), or there is nothing to train on.</exception>
    public static PreferenceDataset From(Dataset data, Tokenizer tokenizer, PreferenceDatasetOptions? options = null, ILogger? logger = null, TokenCache? cache = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return new(data, tokenizer, options, cache, logger);
    }

    /// <summary>Prepares rows.</summary>
    /// <param name="rows">The rows, with the fields of a line of a file.</param>
    /// <param name="tokenizer">The tokenizer, with a chat template if rows are conversations.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the number of truncated and dropped rows.</param>
    /// <param name="name">Name of the dataset in error messages.</param>
    /// <exception cref="DatasetException">A row is invalid (the message names it and what to do), or there is nothing to train on.</exception>
    public static PreferenceDataset FromRows(IEnumerable<JsonObject> rows, Tokenizer tokenizer, PreferenceDatasetOptions? options = null, ILogger? logger = null, string name = "preference dataset")
        => From(Dataset.Of(rows, name), tokenizer, options, logger);

    /// <inheritdoc/>
    /// <remarks>The length of the longest of the texts.</remarks>
    public override int LengthOf(int row)
    {
        RequireRow(row, Count);
        var lengths = pairs.LengthsOf(row);
        return Math.Min(lengths.Chunk(2).Max(text => text.Sum()), options.MaxLength ?? int.MaxValue);
    }

    /// <inheritdoc/>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        return ToBatch([.. rows.Select(Pair)], options.MaxLength, options.Truncation, padding);
    }

    /// <summary>The batch of some pairs.</summary>
    internal static Batch ToBatch(IReadOnlyList<PreferenceRow> pairs, int? maxLength, TruncationMode truncation, long padding)
    {
        var texts = pairs[0].Texts.Length;
        TokenRow[] all = [.. Enumerable.Range(0, texts).SelectMany(text => pairs.Select(pair => pair.Texts[text]))];
        long[][] ids = [.. all.Select(row => row.Ids(maxLength, truncation))];
        return new()
        {
            InputIds = PaddedRows.Right(ids, padding),
            AttentionMask = PaddedRows.Right(PaddedRows.Ones(ids), 0),
            Extra = new Dictionary<string, Tensor>
            {
                ["completion_mask"] = PaddedRows.Right([.. all.Select(row => row.CompletionMask(maxLength, truncation))], 0),
                [PairedBatch.TextsPerPair] = tensor([.. pairs.Select(_ => (long)texts)]),
            },
            Weight = pairs.Count,
            Tokens = ids.Sum(each => each.LongLength),
        };
    }

    private PreferenceRow Pair(int row) => pairs[row] switch
    {
        [var prompt, var chosen, var otherPrompt, var rejected] when !options.HasReference => new(new(prompt, chosen), new(otherPrompt, rejected)),
        [var prompt, var chosen, var otherPrompt, var rejected, var thirdPrompt, var gold] when options.HasReference => new(new(prompt, chosen), new(otherPrompt, rejected), new(thirdPrompt, gold)),
        _ => throw new DatasetException($"Row {row} of {Name} is not a pair: delete its folder in the cache."),
    };

    private long[] Ids(TokenRow row) => row.Ids(options.MaxLength, options.Truncation);
}
