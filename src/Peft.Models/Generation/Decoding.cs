using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A batch of rows during generation: left-padded prompts, the KV cache, and the logits of the next tokens.</summary>
internal sealed class Decoding : IDisposable
{
    private readonly LanguageModel model;
    private readonly Continuation continuation;
    private Tensor input;      // [rows, length of the next input]
    private Tensor? mask;      // preallocated for the whole run, [rows, prompt + new]
    private Tensor? history;   // the rows' tokens, if the cache may have to be recomputed
    private int added;

    /// <param name="model">The model.</param>
    /// <param name="prompts">The prompts.</param>
    /// <param name="settings">The generation settings.</param>
    /// <param name="copies">Number of rows of each prompt after <see cref="Repeat"/>; 1 if it is not called.</param>
    /// <param name="width">Length to which rows are padded; the longest row's if null.</param>
    public Decoding(LanguageModel model, IReadOnlyList<IReadOnlyList<int>> prompts, GenerationSettings settings, int copies = 1, int? width = null)
    {
        Require(model, prompts, settings, copies);
        (this.model, Prompts) = (model, prompts);
        continuation = model.Continue(prompts, settings.PadTokenId);
        try
        {
            Start = continuation.Start;
            Width = width ?? Start.Max(row => row.Count);
            Limit = LimitOf(model, settings, Width);
        }
        catch
        {
            continuation.Dispose();
            throw;
        }
        // The prompt's rows are copied only after it has been processed. Until then the cache needs room for the prompt alone.
        Cache = new KeyValueCache(copies == 1 ? Positions : Width);
        (input, mask) = Pad(settings.PadTokenId);
        if (model.Spec.Rotary?.Scaling is LongRopeScaling { DependsOnLength: true }) history = input.alias().DetachFromDisposeScope();
    }

    /// <summary>The model's input for each row.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Prompts { get; }

    /// <summary>The first tokens of each prompt's rows.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Start { get; }

    /// <summary>Length to which the rows of <see cref="Start"/> are padded.</summary>
    public int Width { get; }

    /// <summary>Maximum number of new tokens.</summary>
    public int Limit { get; }

    /// <summary>The KV cache.</summary>
    public KeyValueCache Cache { get; }

    public Device Device => model.Device;

    // The limit may be far above the actual length. Positions beyond this are allocated on demand.
    private const int FirstRoom = 4096;

    // The last new token is never an input.
    private int Positions => Room(Width, Limit);

    /// <summary>Number of positions to allocate for prompts padded to a width and a maximum number of new tokens.</summary>
    public static int Room(int width, int limit) => (int)Math.Min((long)width + limit - 1, (long)width + FirstRoom);

    private static int VirtualTokens(LanguageModel model) => model.Spec.Kind == TransformerKind.Decoder && model.Prompts is { } prompts ? prompts.Rows.Max(row => row.Embeddings + row.Prefix) : 0;

    /// <summary>Logits of each row's next token, <c>[rows, vocabulary]</c>.</summary>
    public Tensor Next()
    {
        if (OutgrowsKeys()) ReadAgain();
        if (mask is not null && mask.size(1) < Width + added) Keep(ref mask, cat([mask, ones_like(mask)], 1));
        using var visible = mask?.narrow(1, 0, Width + added);
        using var logits = continuation.Next(new ModelInput { InputIds = input, Cache = Cache, AttentionMask = visible });
        return logits.squeeze(1);
    }

    /// <summary>Appends a token to each row.</summary>
    /// <param name="ids">The tokens, <c>[rows, 1]</c>. Takes ownership.</param>
    public void Append(Tensor ids)
    {
        input.Dispose();
        input = ids.DetachFromDisposeScope();
        added++;
        if (history is { } before) Keep(ref history, cat([before, ids], 1));
    }

    // The cached keys were rotated with the frequencies of short sequences.
    private bool OutgrowsKeys() => history is not null && model.Spec.Rotary!.Scaling is LongRopeScaling { OriginalPositions: var original }
        && Cache.Length > 0 && Cache.Length <= original && VirtualTokens(model) + Width + added > original;

    private void ReadAgain()
    {
        Cache.Truncate(0);
        input.Dispose();
        input = history!.alias().DetachFromDisposeScope();
    }

    private static void Keep(ref Tensor? kept, Tensor next)
    {
        kept?.Dispose();
        kept = next.DetachFromDisposeScope();
    }

    /// <summary>Replaces each row by adjacent copies of it, after the prompts have been processed.</summary>
    public void Repeat(int copies)
    {
        using var scope = NewDisposeScope();
        continuation.Repeat(copies);
        if (history is { } read) Keep(ref history, read.repeat_interleave(copies, 0));
        Cache.Repeat(copies, Positions);
        if (mask is { } once) Keep(ref mask, once.repeat_interleave(copies, 0));
        PeftModel.Of(model)?.Flow?.Pass?.RepeatRows(copies);
    }

    /// <summary>Makes each row continue another row of the same prompt.</summary>
    /// <param name="rows">The source row of each row.</param>
    public void Reorder(long[] rows)
    {
        Cache.Reorder(rows, from: Width);
        if (history is null) return;
        using var index = tensor(rows, device: Device);
        Keep(ref history, history.index_select(0, index));
    }

    /// <summary>Checks prompts, and that there is enough memory for them.</summary>
    /// <exception cref="ArgumentException">A prompt is empty, or has a token that the model does not know.</exception>
    /// <inheritdoc cref="Decoding(LanguageModel, IReadOnlyList{IReadOnlyList{int}}, GenerationSettings, int, int?)"/>
    public static void Require(LanguageModel model, IReadOnlyList<IReadOnlyList<int>> prompts, GenerationSettings settings, int copies = 1)
    {
        if (prompts.Count == 0 || prompts.Any(prompt => prompt is not { Count: > 0 }))
            throw new ArgumentException($"There are {prompts.Count} prompts, but at least one is needed, and none may be empty.", nameof(prompts));
        foreach (var id in prompts.SelectMany(prompt => prompt))
            if (id < 0 || id >= model.Spec.VocabularySize)
                throw new ArgumentException($"Token id {id} is outside the model's vocabulary of {model.Spec.VocabularySize}: was the text encoded for another model?", nameof(prompts));
        RequireMemory(model, prompts, settings, copies);
    }

    // Checked before anything is allocated: the logits of all rows, and the keys and values of the first positions.
    private static void RequireMemory(LanguageModel model, IReadOnlyList<IReadOnlyList<int>> prompts, GenerationSettings settings, int copies)
    {
        var (spec, width) = (model.Spec, prompts.Max(prompt => prompt.Count));
        var (rows, positions) = ((Int128)prompts.Count * copies, width + Math.Min(settings.MaxNewTokens ?? settings.MaxLength ?? 1, FirstRoom));
        MemoryBudget.Require(rows * (2 * (Int128)spec.LayerCount * spec.KeyValueHeadCount * spec.HeadSize * positions + spec.VocabularySize), model.InputEmbeddings.Storage.ComputeType, model.Device,
            () => $"generation for {prompts.Count} prompts of up to {width} tokens, with {copies} rows each. Lower NumBeams or NumReturnSequences, or pass fewer or shorter prompts.");
    }

    /// <summary>Maximum number of new tokens after a prompt.</summary>
    /// <exception cref="ArgumentException">The prompt takes up all positions of the model.</exception>
    public static int LimitOf(LanguageModel model, GenerationSettings settings, int promptLength)
    {
        var limit = settings.Limit(promptLength);
        if (model.Spec.LearnedPositionOffset is null) return limit;
        var taken = promptLength + VirtualTokens(model);
        limit = Math.Min(limit, model.Spec.MaxPositions - taken + 1);
        if (limit < 1)
            throw new ArgumentException($"The prompt has {taken} tokens, but the model has only {model.Spec.MaxPositions} learned positions: truncate the prompt.");
        return limit;
    }

    private (Tensor Input, Tensor? Mask) Pad(int padding)
    {
        var (rows, length) = (Start.Count, Positions + 1);
        var ids = new long[(long)rows * Width];
        var real = new long[(long)rows * length];
        Array.Fill(real, 1);
        for (var row = 0; row < rows; row++)
        {
            var missing = Width - Start[row].Count;
            for (var i = 0; i < Width; i++) ids[row * Width + i] = i < missing ? padding : Start[row][i - missing];
            Array.Fill(real, 0, row * length, missing);
        }
        var padded = Start.Any(row => row.Count < Width);
        return (tensor(ids, [rows, Width], device: Device).DetachFromDisposeScope(),
                padded ? tensor(real, [rows, length], device: Device).DetachFromDisposeScope() : null);
    }

    /// <summary>Disposes everything except the KV cache, which the caller then owns.</summary>
    public void DisposeButCache()
    {
        continuation.Dispose();
        input.Dispose();
        mask?.Dispose();
        history?.Dispose();
    }

    public void Dispose()
    {
        DisposeButCache();
        Cache.Dispose();
    }
}
