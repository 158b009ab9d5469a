using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Texts for training a <see cref="MaskedLM"/>, which predicts tokens that are masked in its input. They are chosen anew in each epoch (dynamic masking, as in RoBERTa, Liu et al. 2019,
/// arXiv:1907.11692). The choice depends only on the seed, the epoch and the row, not on the order or the batches, so a resumed run
/// makes the same choice. Evaluation always masks the same tokens.
/// </summary>
/// <remarks>Special tokens are never chosen, nor drawn as random tokens. At least one token (or word) of a row is chosen, so that each row is trained on.</remarks>
public sealed class MaskedDataset : TrainingDataset
{
    // Evaluation has an epoch number that training never uses.
    private const int EvaluationEpoch = -1;

    private readonly MaskedOptions options;
    private readonly TokenRows rows;   // those of MaskedRow
    private readonly long mask, padding;
    private readonly long[] ordinary;

    /// <summary>Tokenizes texts. Each is a row, or several rows if it is longer than the maximum length; texts without tokens are skipped.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="tokenizer">A tokenizer with a mask token.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <param name="name">Name of the dataset in error messages.</param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    /// <exception cref="DatasetException">The tokenizer has no mask token, or there are no tokens to mask.</exception>
    public MaskedDataset(IEnumerable<string> texts, Tokenizer tokenizer, MaskedOptions? options = null, string name = "masked dataset") : this(texts, tokenizer, options ?? new(), name, cache: null) { }

    private MaskedDataset(IEnumerable<string> texts, Tokenizer tokenizer, MaskedOptions options, string name, TokenCache? cache)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(tokenizer);
        options.Validate();
        (this.options, Name) = (options, name);
        mask = tokenizer.MaskId ?? throw new DatasetException($"{name}: the tokenizer has no mask token. Masked language models need one: set mask_token in tokenizer_config.json, or SpecialTokenRoles.Mask when it is trained.");
        padding = TextEncoder.PaddingOf(tokenizer);
        ordinary = [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(id => tokenizer.IdToToken(id) is not null && !tokenizer.IsSpecial(id))];
        // The masks are chosen for each batch, so that the other options change no tokens.
        (rows, _) = TokenCache.Rows(cache, () => TokenizedContent.Hash($"{nameof(MaskedDataset)} {options.MaxLength} {options.WholeWords}", tokenizer, texts), add =>
        {
            var count = 0;
            foreach (var row in texts.SelectMany(text => MaskedRow.Of(text ?? throw new DatasetException($"{name}: a text is null."), tokenizer, options, name)))
            {
                add(row.Sequences);
                count++;
            }
            return count > 0 ? new(0, 0, []) : throw new DatasetException($"{name} has no tokens to mask: its texts are empty, or consist of special tokens.");
        });
    }

    /// <summary>Loads a UTF-8 text file. Each line is a text.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tokenizer">A tokenizer with a mask token.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    /// <exception cref="DatasetException">The file cannot be read, the tokenizer has no mask token, or there are no tokens to mask.</exception>
    public static MaskedDataset FromFile(string path, Tokenizer tokenizer, MaskedOptions? options = null) => FromFile(path, tokenizer, options, null);

    /// <summary>Loads a UTF-8 text file, whose tokens are kept on disk. Each line is a text.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tokenizer">A tokenizer with a mask token.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <param name="cache">Keeps the tokens on disk, and finds them there the next time; null to keep them in memory. The masks are chosen as without it.</param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    /// <exception cref="DatasetException">The file cannot be read, the tokenizer has no mask token, or there are no tokens to mask.</exception>
    public static MaskedDataset FromFile(string path, Tokenizer tokenizer, MaskedOptions? options, TokenCache? cache)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        try
        {
            return new(File.ReadLines(path), tokenizer, options ?? new(), path, cache);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DatasetException($"The text file {path} cannot be read: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public override int Count => rows.Count;

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override int LengthOf(int row)
    {
        RequireRow(row, Count);
        return rows.LengthsOf(row)[0];
    }

    /// <summary>The batch of rows for evaluation, with the same masks in each call.</summary>
    /// <inheritdoc/>
    public override Batch GetBatch(IReadOnlyList<int> rows) => GetBatch(rows, EvaluationEpoch);

    /// <inheritdoc/>
    /// <returns>Labels <c>[batch, sequence]</c>: the ids of the chosen tokens, <see cref="Batch.IgnoredLabel"/> elsewhere.</returns>
    public override Batch GetBatch(IReadOnlyList<int> rows, int epoch)
    {
        RequireRows(rows, Count);
        var masked = rows.Select(row => Mask(MaskedRow.Of(this.rows[row]), new SplitMix64(SplitMix64.Mix((long)SplitMix64.Mix(options.Seed, epoch), row)))).ToList();
        var width = masked.Max(row => row.Labels.Length);
        var labels = LabelledSequence.Fill([.. masked.Select(row => row.Labels)], width, Batch.IgnoredLabel);
        return EncodedText.ToBatch([.. masked.Select(row => row.Input)], padding, labels, masked.Sum(row => row.Labels.Count(label => label != Batch.IgnoredLabel)));
    }

    private (EncodedText Input, long[] Labels) Mask(MaskedRow row, SplitMix64 random)
    {
        var chosen = Array.FindAll(row.Units, _ => random.NextDouble() < options.MaskProbability);
        if (chosen.Length == 0) chosen = [row.Units[(int)(random.NextDouble() * row.Units.Length)]];
        var (ids, labels) = ((long[])row.Text.Ids.Clone(), new long[row.Text.Ids.Length]);
        Array.Fill(labels, Batch.IgnoredLabel);
        foreach (var position in chosen.SelectMany(unit => unit))
        {
            labels[position] = ids[position];
            var draw = random.NextDouble();
            if (draw < options.ReplacedShare) ids[position] = mask;
            else if (draw < options.ReplacedShare + options.RandomShare) ids[position] = ordinary[(int)(random.NextDouble() * ordinary.Length)];
        }
        return (row.Text with { Ids = ids }, labels);
    }
}
