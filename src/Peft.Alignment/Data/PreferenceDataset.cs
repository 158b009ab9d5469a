using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Pairs of a chosen and a rejected completion of the same prompt, as DPO and its kin learn from.</summary>
/// <remarks>
/// A row has <c>prompt</c>, <c>chosen</c> and <c>rejected</c>, all texts or all lists of messages; without <c>prompt</c>, it is the common beginning of the other two. <c>tools</c> and
/// <c>chat_template_kwargs</c> go to the chat template. Texts get the end-of-sequence token. Prompt and completion are tokenized together. A batch holds <see cref="Batch.InputIds"/>
/// <c>[2n, sequence]</c>, the chosen rows first, the attention mask, and <c>completion_mask</c>.
/// </remarks>
public sealed class PreferenceDataset : AlignmentDataset
{
    private readonly PreferenceDatasetOptions options;
    private readonly long padding;
    private readonly List<(TokenRow Chosen, TokenRow Rejected)> pairs = [];

    private PreferenceDataset(IReadOnlyList<DataRow> rows, Tokenizer tokenizer, PreferenceDatasetOptions? options, ILogger? logger, string name) : base(name)
    {
        this.options = options ?? new();
        RequireLength(this.options.MaxLength);
        var encoder = new RowEncoder(tokenizer, this.options.Template);
        padding = encoder.Padding;
        var alike = 0;
        foreach (var row in rows)
        {
            var (prompt, chosen, rejected) = PreferencePassages.Of(row).WithPrompt(row);
            var pair = (Chosen: encoder.Encode(prompt, encoder.Ended(chosen), row), Rejected: encoder.Encode(prompt, encoder.Ended(rejected), row));
            if (this.options.Truncation == TruncationMode.KeepStart && pair.Chosen.Prompt.Length >= this.options.MaxLength)
            {
                DroppedRows++;
                continue;
            }
            if (pair.Chosen.Length > this.options.MaxLength || pair.Rejected.Length > this.options.MaxLength)
            {
                TruncatedRows++;
                if (Ids(pair.Chosen).AsSpan().SequenceEqual(Ids(pair.Rejected))) alike++;
            }
            pairs.Add(pair);
        }
        if (alike > 0) Warn($"in {alike} pairs, chosen and rejected differ only beyond {this.options.MaxLength} tokens, so that nothing is learned from them: raise MaxLength.");
        Finish(encoder, this.options.MaxLength, logger);
    }

    /// <inheritdoc/>
    public override int Count => pairs.Count;

    /// <summary>The token ids of the pairs, not cut.</summary>
    internal IReadOnlyList<(TokenRow Chosen, TokenRow Rejected)> Pairs => pairs;

    /// <summary>Reads a JSON Lines file.</summary>
    /// <param name="path">The file, with a row per line.</param>
    /// <param name="tokenizer">The tokenizer, with a chat template if rows are conversations.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the number of cut and dropped rows.</param>
    /// <exception cref="DatasetException">The file cannot be read, a row is invalid (the message names its line and what to do), or there is nothing to train on.</exception>
    public static PreferenceDataset FromFile(string path, Tokenizer tokenizer, PreferenceDatasetOptions? options = null, ILogger? logger = null)
        => new(DataRow.FromFile(path), tokenizer, options, logger, path);

    /// <summary>Prepares rows.</summary>
    /// <param name="rows">The rows, with the fields of a line of a file.</param>
    /// <param name="tokenizer">The tokenizer, with a chat template if rows are conversations.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the number of cut and dropped rows.</param>
    /// <param name="name">Name of the dataset in error messages.</param>
    /// <exception cref="DatasetException">A row is invalid (the message names it and what to do), or there is nothing to train on.</exception>
    public static PreferenceDataset FromRows(IEnumerable<JsonObject> rows, Tokenizer tokenizer, PreferenceDatasetOptions? options = null, ILogger? logger = null, string name = "preference dataset")
        => new(DataRow.From(rows, name), tokenizer, options, logger, name);

    /// <inheritdoc/>
    /// <remarks>The length of the longer of the two texts.</remarks>
    public override int LengthOf(int row)
    {
        RequireRow(row, Count);
        return Math.Min(Math.Max(pairs[row].Chosen.Length, pairs[row].Rejected.Length), options.MaxLength ?? int.MaxValue);
    }

    /// <inheritdoc/>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        return ToBatch([.. rows.Select(row => pairs[row])], options.MaxLength, options.Truncation, padding);
    }

    /// <summary>The batch of some pairs.</summary>
    internal static Batch ToBatch(IReadOnlyList<(TokenRow Chosen, TokenRow Rejected)> pairs, int? maxLength, TruncationMode truncation, long padding)
    {
        TokenRow[] all = [.. pairs.Select(pair => pair.Chosen), .. pairs.Select(pair => pair.Rejected)];
        long[][] ids = [.. all.Select(row => row.Ids(maxLength, truncation))];
        return new()
        {
            InputIds = PaddedRows.Right(ids, padding),
            AttentionMask = PaddedRows.Right(PaddedRows.Ones(ids), 0),
            Extra = new Dictionary<string, Tensor> { ["completion_mask"] = PaddedRows.Right([.. all.Select(row => row.CompletionMask(maxLength, truncation))], 0) },
            Weight = pairs.Count,
            Tokens = ids.Sum(each => each.LongLength),
        };
    }

    private long[] Ids(TokenRow row) => row.Ids(options.MaxLength, options.Truncation);
}
