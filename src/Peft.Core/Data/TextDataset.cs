using static TorchSharp.torch;

namespace Peft;

/// <summary>Text split into blocks of equal length, for causal language models. An incomplete last block is dropped.</summary>
public sealed class TextDataset : TrainingDataset
{
    private readonly TokenRows blocks;

    private TextDataset(TokenRows blocks, int blockSize, string name)
    {
        this.blocks = blocks;
        BlockSize = blockSize;
        Name = name;
    }

    /// <summary>Number of tokens per block.</summary>
    public int BlockSize { get; }

    /// <inheritdoc/>
    public override int Count => blocks.Count;

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>Splits a UTF-8 text file into blocks. The text is tokenized without special tokens.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="blockSize">Number of tokens per block, at least 2.</param>
    /// <exception cref="DatasetException">The file is missing or unreadable, or its text is shorter than one block.</exception>
    public static TextDataset FromFile(string path, ITokenizer tokenizer, int blockSize) => FromFile(path, tokenizer, blockSize, null);

    /// <summary>Splits a UTF-8 text file into blocks, which are kept on disk. The text is tokenized without special tokens.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="blockSize">Number of tokens per block, at least 2.</param>
    /// <param name="cache">Keeps the tokens on disk, and finds them there the next time; null to keep them in memory.</param>
    /// <exception cref="DatasetException">The file is missing or unreadable, or its text is shorter than one block.</exception>
    /// <exception cref="ArgumentException">The tokenizer has no fingerprint, which a cache needs.</exception>
    public static TextDataset FromFile(string path, ITokenizer tokenizer, int blockSize, TokenCache? cache)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        try
        {
            return From(File.ReadAllText(path), tokenizer, blockSize, path, cache);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DatasetException($"The text file {path} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Splits text into blocks. It is tokenized without special tokens.</summary>
    /// <param name="text">The text.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="blockSize">Number of tokens per block, at least 2.</param>
    /// <exception cref="DatasetException">The text is shorter than one block.</exception>
    public static TextDataset FromText(string text, ITokenizer tokenizer, int blockSize) => From(text, tokenizer, blockSize, "The text", null);

    /// <inheritdoc/>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        MemoryBudget.Require((Int128)rows.Count * BlockSize, ScalarType.Int64, null, () => $"a batch of {rows.Count} blocks of {BlockSize} tokens is too large.");
        var block = new long[(long)rows.Count * BlockSize];
        for (var i = 0; i < rows.Count; i++) blocks[rows[i]][0].CopyTo(block, i * BlockSize);
        return new()
        {
            InputIds = tensor(block, [rows.Count, BlockSize]),
            Labels = tensor(block, [rows.Count, BlockSize]),
            Weight = rows.Count * (BlockSize - 1.0),   // the first token of a block is not predicted
            Tokens = block.Length,
        };
    }

    /// <inheritdoc/>
    public override int LengthOf(int row)
    {
        RequireRow(row, Count);
        return BlockSize;
    }

    private static TextDataset From(string text, ITokenizer tokenizer, int blockSize, string name, TokenCache? cache)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentOutOfRangeException.ThrowIfLessThan(blockSize, 2);
        var (blocks, _) = TokenCache.Rows(cache, () => TokenizedContent.Hash($"{nameof(TextDataset)} {blockSize}", tokenizer, [text]), add =>
        {
            var ids = tokenizer.Encode(text, addSpecialTokens: false);
            if (ids.Count < blockSize) throw new DatasetException($"{name} has {ids.Count} tokens, fewer than one block of {blockSize}: use a smaller blockSize or more text.");
            for (var start = 0; start <= ids.Count - blockSize; start += blockSize) add([[.. Enumerable.Range(start, blockSize).Select(i => (long)ids[i])]]);
            return new(0, 0, []);
        });
        return new(blocks, blockSize, name);
    }
}
