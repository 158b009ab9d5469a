using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Prompts that a model completes during training, as GRPO, RLOO and PPO need them.</summary>
/// <remarks>
/// A row has <c>prompt</c>, a text or a list of messages; its other fields are for reward functions (<see cref="Completion.Fields"/>). A batch holds <see cref="Batch.InputIds"/> <c>[n, sequence]</c>, padded on the
/// left, the attention mask, and <c>rows</c> <c>[n]</c>, the indices of its rows.
/// </remarks>
public sealed class PromptDataset : AlignmentDataset
{
    private readonly long padding;
    private readonly TokenRows prompts;   // the ids, and the index of the row in the data
    private readonly List<JsonObject> fields = [];

    private PromptDataset(Dataset data, Tokenizer tokenizer, PromptDatasetOptions? options, TokenCache? cache, ILogger? logger) : base(data.Name)
    {
        options ??= new();
        RequireLength(options.MaxLength);
        var encoder = new RowEncoder(tokenizer, options.Template);
        padding = encoder.Padding;
        prompts = Prepare(data, tokenizer, cache, () => RowSettings.Text(options, tokenizer, options.Template), encoder, options.MaxLength, logger, add =>
        {
            var index = -1;
            foreach (var row in DataRow.From(data))
            {
                index++;
                var prompt = row.Passage("prompt");
                if (prompt is { IsChat: true, IsEmpty: true }) throw row.Wrong("the prompt has no messages: give it, or remove the row");
                var ids = encoder.Encode(prompt, row, beginsAnswer: true);
                if (ids.Length == 0) throw row.Wrong("the prompt has no tokens: a model needs at least one to continue. Remove the row, or give the prompt");
                if (ids.Length > options.MaxLength)
                {
                    DroppedRows++;
                    continue;
                }
                add([ids, [index]]);
                fields.Add(row.Fields);
            }
        });
        if (fields.Count > 0) return;
        // The tokens were in the cache, but not the other fields.
        var kept = Enumerable.Range(0, Count).Select(row => (int)prompts[row][1][0]).ToHashSet();
        fields.AddRange(data.Where((_, index) => kept.Contains(index)).Select(row => row.Fields));
    }

    /// <inheritdoc/>
    public override int Count => prompts.Count;

    /// <summary>Reads a file of any format that <see cref="Dataset.Load"/> reads.</summary>
    /// <inheritdoc cref="PreferenceDataset.FromFile"/>
    public static PromptDataset FromFile(string path, Tokenizer tokenizer, PromptDatasetOptions? options = null, ILogger? logger = null)
        => From(Dataset.Load(path), tokenizer, options, logger);

    /// <summary>Prepares the rows of a dataset.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="tokenizer">The tokenizer, with a chat template if rows are conversations.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the number of truncated and dropped rows.</param>
    /// <param name="cache">Keeps the tokens on disk, and finds them there the next time; null to keep them in memory.</param>
    /// <exception cref="DatasetException">A row is invalid (the message names it and what to do), or there is nothing to train on.</exception>
    public static PromptDataset From(Dataset data, Tokenizer tokenizer, PromptDatasetOptions? options = null, ILogger? logger = null, TokenCache? cache = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return new(data, tokenizer, options, cache, logger);
    }

    /// <summary>Prepares rows.</summary>
    /// <inheritdoc cref="PreferenceDataset.FromRows"/>
    public static PromptDataset FromRows(IEnumerable<JsonObject> rows, Tokenizer tokenizer, PromptDatasetOptions? options = null, ILogger? logger = null, string name = "prompt dataset")
        => From(Dataset.Of(rows, name), tokenizer, options, logger);

    /// <summary>The fields of a row, as they were read.</summary>
    /// <param name="row">Index of the row.</param>
    public JsonObject RowOf(int row)
    {
        RequireRow(row, Count);
        return fields[row];
    }

    /// <inheritdoc/>
    public override int LengthOf(int row)
    {
        RequireRow(row, Count);
        return prompts.LengthsOf(row)[0];
    }

    /// <inheritdoc/>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        long[][] ids = [.. rows.Select(row => prompts[row][0])];
        return new()
        {
            InputIds = PaddedRows.Left(ids, padding),
            AttentionMask = PaddedRows.Left(PaddedRows.Ones(ids), 0),
            Extra = new Dictionary<string, Tensor> { ["rows"] = tensor(rows.Select(row => (long)row).ToArray()) },
            Fields = [.. rows.Select(row => fields[row])],
            Weight = rows.Count,
            Tokens = ids.Sum(each => each.LongLength),
        };
    }
}
