using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Completions that are desirable or not, as KTO and BCO learn from.</summary>
/// <remarks>
/// A row has <c>prompt</c>, <c>completion</c> and <c>label</c> (true if desirable). Preferences (<see cref="PreferenceDataset"/>) become two rows each: of every 1,000 first all chosen, then all rejected. A batch
/// holds ids, attention mask, <c>completion_mask</c>, <c>label</c> <c>[n]</c>, and under the same names with the prefix <c>KL_</c> mismatched pairs: each prompt with the completion of the batch's row before
/// it (the first with the last). These are formed in each batch, so that rows may be shuffled.
/// </remarks>
public sealed class UnpairedDataset : AlignmentDataset
{
    // TRL unpairs this many preferences at a time.
    private const int Block = 1000;

    private readonly UnpairedDatasetOptions options;
    private readonly long padding;
    private readonly TokenRows examples;   // prompt, completion, and a third sequence that is empty if the row is not desirable
    private readonly float[]? weights;

    private UnpairedDataset(Dataset data, Tokenizer tokenizer, UnpairedDatasetOptions? options, TokenCache? cache, ILogger? logger) : base(data.Name)
    {
        this.options = options ?? new();
        RequireLength(this.options.MaxLength);
        var encoder = new RowEncoder(tokenizer, this.options.Template);
        padding = encoder.Padding;
        examples = Prepare(data, tokenizer, cache, () => RowSettings.Text(this.options with { DensityRatios = null }, tokenizer, this.options.Template), encoder, this.options.MaxLength, logger, add =>
        {
            foreach (var (row, prompt, completion, label) in data.Columns.Contains("chosen") ? Unpaired(DataRow.From(data)) : DataRow.From(data).Select(Read))
            {
                var tokens = encoder.Encode(prompt, encoder.Ended(completion), row);
                if (tokens.Prompt.Length >= this.options.MaxLength)
                {
                    DroppedRows++;
                    continue;
                }
                if (tokens.Length > this.options.MaxLength) TruncatedRows++;
                add([tokens.Prompt, tokens.Completion, label ? [1] : []]);
            }
        });
        if (this.options.DensityRatios is { } ratios)
            weights = DensityRatios.Of([.. Examples.Select(each => tokenizer.Decode(each.Tokens.Prompt.Select(id => (int)id)))], [.. Examples.Select(each => each.Label)], ratios);
    }

    /// <inheritdoc/>
    public override int Count => examples.Count;

    /// <summary>Number of desirable rows.</summary>
    public int DesirableRows => Enumerable.Range(0, Count).Count(IsDesirable);

    /// <summary>Number of rows that are not desirable.</summary>
    public int UndesirableRows => Count - DesirableRows;

    /// <summary>The token ids of the rows, not truncated, and their labels.</summary>
    internal IReadOnlyList<(TokenRow Tokens, bool Label)> Examples => [.. Enumerable.Range(0, Count).Select(Example)];

    /// <summary>Reads a file of any format that <see cref="Dataset.Load"/> reads.</summary>
    /// <inheritdoc cref="PreferenceDataset.FromFile"/>
    public static UnpairedDataset FromFile(string path, Tokenizer tokenizer, UnpairedDatasetOptions? options = null, ILogger? logger = null)
        => From(Dataset.Load(path), tokenizer, options, logger);

    /// <summary>Prepares the rows of a dataset.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="tokenizer">The tokenizer, with a chat template if rows are conversations.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the number of truncated and dropped rows.</param>
    /// <param name="cache">Keeps the tokens on disk, and finds them there the next time; null to keep them in memory.</param>
    /// <exception cref="DatasetException">A row is invalid (the message names it and what to do), or there is nothing to train on.</exception>
    public static UnpairedDataset From(Dataset data, Tokenizer tokenizer, UnpairedDatasetOptions? options = null, ILogger? logger = null, TokenCache? cache = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return new(data, tokenizer, options, cache, logger);
    }

    /// <summary>Prepares rows.</summary>
    /// <inheritdoc cref="PreferenceDataset.FromRows"/>
    public static UnpairedDataset FromRows(IEnumerable<JsonObject> rows, Tokenizer tokenizer, UnpairedDatasetOptions? options = null, ILogger? logger = null, string name = "unpaired dataset")
        => From(Dataset.Of(rows, name), tokenizer, options, logger);

    /// <inheritdoc/>
    public override int LengthOf(int row)
    {
        RequireRow(row, Count);
        var lengths = examples.LengthsOf(row);
        return Math.Min(lengths[0] + lengths[1], options.MaxLength ?? int.MaxValue);
    }

    /// <inheritdoc/>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        // A row alone is mismatched with the dataset's row before it.
        var before = rows.Count == 1 ? Example((rows[0] + Count - 1) % Count).Tokens : default(TokenRow?);
        return ToBatch([.. rows.Select(Example)], options.MaxLength, padding, before, weights is null ? null : [.. rows.Select(row => weights[row])]);
    }

    /// <summary>The batch of some rows.</summary>
    internal static Batch ToBatch(IReadOnlyList<(TokenRow Tokens, bool Label)> rows, int? maxLength, long padding, TokenRow? before = null, float[]? weights = null)
    {
        TokenRow[] own = [.. rows.Select(row => row.Tokens)];
        TokenRow[] mismatched = [.. own.Select((each, i) => each with { Completion = (i > 0 ? own[i - 1] : before ?? own[^1]).Completion })];
        var (ids, attention, completion) = Tensors(own);
        var (otherIds, otherAttention, otherCompletion) = Tensors(mismatched);
        var extra = new Dictionary<string, Tensor>
        {
            ["completion_mask"] = completion, ["KL_input_ids"] = otherIds, ["KL_attention_mask"] = otherAttention, ["KL_completion_mask"] = otherCompletion,
            ["label"] = tensor(rows.Select(row => row.Label).ToArray()),
        };
        if (weights is not null) extra["weight"] = tensor(weights);
        return new() { InputIds = ids, AttentionMask = attention, Extra = extra, Weight = rows.Count };

        (Tensor Ids, Tensor Attention, Tensor Completion) Tensors(TokenRow[] all)
        {
            long[][] cut = [.. all.Select(row => row.Ids(maxLength))];
            return (PaddedRows.Right(cut, padding), PaddedRows.Right(PaddedRows.Ones(cut), 0), PaddedRows.Right([.. all.Select(row => row.CompletionMask(maxLength))], 0));
        }
    }

    private bool IsDesirable(int row) => examples.LengthsOf(row)[2] > 0;

    private (TokenRow Tokens, bool Label) Example(int row)
    {
        var sequences = examples[row];
        return (new(sequences[0], sequences[1]), sequences[2].Length > 0);
    }

    private static (DataRow Row, Passage Prompt, Passage Completion, bool Label) Read(DataRow row)
    {
        var (prompt, completion, label) = (row.Passage("prompt"), row.Passage("completion"), row.Flag("label"));
        if (completion.IsEmpty) throw row.Wrong("the field \"completion\" is empty: remove the row, or give the completion");
        if (prompt is { IsChat: true, IsEmpty: true }) throw row.Wrong("the prompt has no messages: give it, or remove the row");
        return (row, prompt, completion, label);
    }

    private static IEnumerable<(DataRow Row, Passage Prompt, Passage Completion, bool Label)> Unpaired(IEnumerable<DataRow> rows)
    {
        foreach (var block in rows.Chunk(Block))
        {
            var pairs = block.Select(row => (Row: row, Passages: PreferencePassages.Of(row).WithPrompt(row))).ToList();
            foreach (var (row, (prompt, chosen, _)) in pairs) yield return (row, prompt, chosen, true);
            foreach (var (row, (prompt, _, rejected)) in pairs) yield return (row, prompt, rejected, false);
        }
    }
}
