using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Pairs of a chosen and a rejected text, as reward models learn from.</summary>
/// <remarks>
/// A row has <c>chosen</c> and <c>rejected</c>, and optionally <c>prompt</c>, which precedes both, and <c>margin</c>, by how much the chosen is better. A batch holds <see cref="Batch.InputIds"/>
/// <c>[2n, sequence]</c>, the chosen rows first, the attention mask, and <c>margin</c> <c>[n]</c> if the rows have one.
/// </remarks>
public sealed class RewardDataset : AlignmentDataset
{
    private readonly long padding;
    private readonly TokenRows pairs;

    private RewardDataset(Dataset data, Tokenizer tokenizer, RewardDatasetOptions? options, TokenCache? cache, ILogger? logger) : base(data.Name)
    {
        options ??= new();
        RequireLength(options.MaxLength);
        var encoder = new RowEncoder(tokenizer, options.Template);
        padding = encoder.Padding;
        pairs = Prepare(data, tokenizer, cache, () => RowSettings.Text(options, tokenizer, options.Template), encoder, options.MaxLength, logger, add => Tokenize(DataRow.From(data), encoder, options, add));
    }

    private void Tokenize(IEnumerable<DataRow> rows, RowEncoder encoder, RewardDatasetOptions options, Action<long[][]> add)
    {
        bool? hasMargin = null;
        foreach (var row in rows)
        {
            var withMargin = hasMargin ??= row.Has("margin");
            var (prompt, chosen, rejected) = PreferencePassages.Of(row);
            if (row.Has("margin") != withMargin) throw row.Wrong(withMargin ? "there is no margin, but the first row has one: give it to all rows, or to none" : "there is a margin, but the first row has none: give it to all rows, or to none");
            var pair = (Chosen: Encode(chosen), Rejected: Encode(rejected), Margin: withMargin ? row.Number("margin") : (double?)null);
            if (pair.Chosen.Length == 0 || pair.Rejected.Length == 0) throw row.Wrong("a text has no tokens: remove the row, or look at the chat template");
            if (pair.Chosen.Length > options.MaxLength || pair.Rejected.Length > options.MaxLength) DroppedRows++;
            else add([pair.Chosen, pair.Rejected, pair.Margin is { } margin ? TokenRows.Bits(margin) : []]);

            long[] Encode(Passage completion) => encoder.Encode(prompt is null ? encoder.Ended(completion) : prompt.Then(encoder.Ended(completion), row), row);
        }
    }

    /// <inheritdoc/>
    public override int Count => pairs.Count;

    /// <summary>The token ids of the pairs, and their margins.</summary>
    internal IReadOnlyList<(long[] Chosen, long[] Rejected, double? Margin)> Pairs => [.. Enumerable.Range(0, Count).Select(Pair)];

    /// <summary>Reads a file of any format that <see cref="Dataset.Load"/> reads.</summary>
    /// <inheritdoc cref="PreferenceDataset.FromFile"/>
    public static RewardDataset FromFile(string path, Tokenizer tokenizer, RewardDatasetOptions? options = null, ILogger? logger = null)
        => From(Dataset.Load(path), tokenizer, options, logger);

    /// <summary>Prepares the rows of a dataset.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="tokenizer">The tokenizer, with a chat template if rows are conversations.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the number of truncated and dropped rows.</param>
    /// <param name="cache">Keeps the tokens on disk, and finds them there the next time; null to keep them in memory.</param>
    /// <exception cref="DatasetException">A row is invalid (the message names it and what to do), or there is nothing to train on.</exception>
    public static RewardDataset From(Dataset data, Tokenizer tokenizer, RewardDatasetOptions? options = null, ILogger? logger = null, TokenCache? cache = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return new(data, tokenizer, options, cache, logger);
    }

    /// <summary>Prepares rows.</summary>
    /// <inheritdoc cref="PreferenceDataset.FromRows"/>
    public static RewardDataset FromRows(IEnumerable<JsonObject> rows, Tokenizer tokenizer, RewardDatasetOptions? options = null, ILogger? logger = null, string name = "reward dataset")
        => From(Dataset.Of(rows, name), tokenizer, options, logger);

    /// <inheritdoc/>
    /// <remarks>The length of the longer of the two texts.</remarks>
    public override int LengthOf(int row)
    {
        RequireRow(row, Count);
        var lengths = pairs.LengthsOf(row);
        return Math.Max(lengths[0], lengths[1]);
    }

    /// <inheritdoc/>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        return ToBatch([.. rows.Select(Pair)], padding);
    }

    /// <summary>The batch of some pairs.</summary>
    internal static Batch ToBatch(IReadOnlyList<(long[] Chosen, long[] Rejected, double? Margin)> pairs, long padding)
    {
        long[][] ids = [.. pairs.Select(pair => pair.Chosen), .. pairs.Select(pair => pair.Rejected)];
        var extra = new Dictionary<string, Tensor>();
        if (pairs[0].Margin is not null) extra["margin"] = tensor(pairs.Select(pair => (float)pair.Margin!.Value).ToArray());
        return new()
        {
            InputIds = PaddedRows.Right(ids, padding),
            AttentionMask = PaddedRows.Right(PaddedRows.Ones(ids), 0),
            Extra = extra,
            Weight = pairs.Count,
            Tokens = ids.Sum(each => each.LongLength),
        };
    }

    private (long[] Chosen, long[] Rejected, double? Margin) Pair(int row)
    {
        var sequences = pairs[row];
        return (sequences[0], sequences[1], sequences[2].Length > 0 ? TokenRows.Number(sequences[2]) : null);
    }
}
