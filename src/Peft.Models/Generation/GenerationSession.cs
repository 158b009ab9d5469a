using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>One run of generation: each <see cref="Step"/> adds a token to every row that has not ended.</summary>
internal sealed class GenerationSession : IDisposable
{
    private readonly LanguageModel model;
    private readonly Continuation continuation;
    private readonly GenerationSettings settings;
    private readonly TokenPicker picker;
    private readonly KeyValueCache cache;
    private readonly int batch, width;
    private readonly bool[] ended;
    private readonly int[] current;
    private readonly int limit;
    private Tensor next;             // [batch, length of the coming input]
    private Tensor? mask, history;   // preallocated for the whole run, [batch, prompt + new]
    private int step;

    public GenerationSession(LanguageModel model, IReadOnlyList<IReadOnlyList<int>> prompts, GenerationSettings settings)
    {
        if (prompts.Count == 0 || prompts.Any(prompt => prompt.Count == 0))
            throw new ArgumentException("Each prompt needs at least one token.", nameof(prompts));
        foreach (var id in prompts.SelectMany(prompt => prompt))
            if (id < 0 || id >= model.Spec.VocabularySize)
                throw new ArgumentException($"Token id {id} is outside the model's vocabulary of {model.Spec.VocabularySize}: was the text encoded for another model?", nameof(prompts));
        (this.model, this.settings) = (model, settings);
        batch = prompts.Count;
        continuation = model.Continue(prompts, settings.PadTokenId);
        prompts = continuation.Start;
        width = prompts.Max(prompt => prompt.Count);
        limit = settings.MaxNewTokens;
        if (model.Spec.LearnedPositionOffset is not null) limit = Math.Min(limit, model.Spec.MaxPositions - width + 1);
        if (limit < 1)
            throw new ArgumentException($"The prompt has {width} tokens, but the model has learned {model.Spec.MaxPositions} positions only: cut the prompt.", nameof(prompts));
        ended = new bool[batch];
        current = new int[batch];
        picker = new TokenPicker(settings, model.Device);
        cache = new KeyValueCache(Math.Min(width + limit, Math.Max(64, width + 64)));

        using var scope = NewDisposeScope();
        var padded = prompts.Any(prompt => prompt.Count < width);
        var ids = new long[batch * width];
        var real = new long[batch * (width + limit)];
        Array.Fill(real, 1);
        for (var row = 0; row < batch; row++)
        {
            var padding = width - prompts[row].Count;
            for (var i = 0; i < width; i++) ids[row * width + i] = i < padding ? settings.PadTokenId : prompts[row][i - padding];
            Array.Fill(real, 0, row * (width + limit), padding);
        }
        next = tensor(ids, [batch, width], device: model.Device).DetachFromDisposeScope();
        if (padded) mask = tensor(real, [batch, width + limit], device: model.Device).DetachFromDisposeScope();
        if (picker.NeedsHistory)
        {
            history = zeros(batch, width + limit, ScalarType.Int64, model.Device).DetachFromDisposeScope();
            // Padding must not count as a token that occurred: it repeats the row's first token.
            for (var row = 0; row < batch; row++)
                for (var i = 0; i < width - prompts[row].Count; i++) ids[row * width + i] = prompts[row][0];
            history.narrow(1, 0, width).copy_(tensor(ids, [batch, width], device: model.Device));
        }
    }

    /// <summary>The tokens that the last step added, a row each; the padding token in rows that had ended before.</summary>
    public IReadOnlyList<int> Current => current;

    /// <summary>Whether a row has ended. A caller may end rows itself.</summary>
    public bool[] Ended => ended;

    /// <summary>Adds a token to each row; false if all have ended or the limit is reached.</summary>
    public bool Step()
    {
        if (step >= limit || Array.TrueForAll(ended, each => each)) return false;
        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        var length = width + step;
        using var visible = mask?.narrow(1, 0, length);
        using var logits = continuation.Next(new ModelInput { InputIds = next, Cache = cache, AttentionMask = visible });
        using var row = logits.squeeze(1);
        using var past = history?.narrow(1, 0, length);
        var picked = picker.Pick(row, past, step);
        if (batch == 1)
        {
            current[0] = (int)picked.item<long>();
            ended[0] = settings.EndTokenIds.Contains(current[0]);
        }
        else
        {
            picked = Settle(picked);
        }
        if (history is not null) history.narrow(1, length, 1).copy_(picked);
        next.Dispose();
        next = picked.DetachFromDisposeScope();
        step++;
        return true;
    }

    private Tensor Settle(Tensor picked)
    {
        using var onCpu = picked.cpu();
        var ids = onCpu.data<long>();
        var changed = false;
        for (var row = 0; row < batch; row++)
        {
            changed |= ended[row];
            current[row] = ended[row] ? settings.PadTokenId : (int)ids[row];
            ended[row] |= settings.EndTokenIds.Contains(current[row]);
        }
        if (!changed) return picked;
        picked.Dispose();
        return tensor(current.Select(id => (long)id).ToArray(), [batch, 1], device: model.Device);
    }

    public void Dispose()
    {
        continuation.Dispose();
        next.Dispose();
        mask?.Dispose();
        history?.Dispose();
        cache.Dispose();
        picker.Dispose();
    }
}
