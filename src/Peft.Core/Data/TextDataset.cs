using static TorchSharp.torch;

namespace Peft;

/// <summary>Text split into blocks of equal length, for causal language models. An incomplete last block is dropped.</summary>
public sealed class TextDataset : TrainingDataset
{
    private readonly long[] ids;

    private TextDataset(IReadOnlyList<int> ids, int blockSize, string name)
    {
        BlockSize = blockSize;
        Name = name;
        Count = ids.Count / blockSize;
        if (Count == 0)
            throw new DatasetException($"{name} has {ids.Count} tokens, fewer than one block of {blockSize}: use a smaller blockSize or more text.");
        this.ids = [.. ids.Take(Count * blockSize).Select(id => (long)id)];
    }

    /// <summary>Number of tokens per block.</summary>
    public int BlockSize { get; }

    /// <inheritdoc/>
    public override int Count { get; }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>Splits a UTF-8 text file into blocks. The text is tokenized without special tokens.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="blockSize">Number of tokens per block, at least 2.</param>
    /// <exception cref="DatasetException">The file is missing or unreadable, or its text is shorter than one block.</exception>
    public static TextDataset FromFile(string path, ITokenizer tokenizer, int blockSize)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        try
        {
            return From(File.ReadAllText(path), tokenizer, blockSize, path);
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
    public static TextDataset FromText(string text, ITokenizer tokenizer, int blockSize) => From(text, tokenizer, blockSize, "The text");

    /// <inheritdoc/>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        MemoryBudget.Require((Int128)rows.Count * BlockSize, ScalarType.Int64, null, () => $"a batch of {rows.Count} blocks of {BlockSize} tokens is too large.");
        var block = new long[(long)rows.Count * BlockSize];
        for (var i = 0; i < rows.Count; i++) ids.AsSpan(rows[i] * BlockSize, BlockSize).CopyTo(block.AsSpan(i * BlockSize));
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

    private static TextDataset From(string text, ITokenizer tokenizer, int blockSize, string name)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentOutOfRangeException.ThrowIfLessThan(blockSize, 2);
        return new(tokenizer.Encode(text, addSpecialTokens: false), blockSize, name);
    }
}
