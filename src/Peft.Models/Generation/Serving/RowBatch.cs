using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// The requests that share forward passes, each with its own adapter. All rows end at the same position of one KV cache and begin with padding; a request joins with
/// the keys and values of its prompt, and leaves without a trace. Belongs to one thread.
/// </summary>
internal sealed class RowBatch(LanguageModel model) : IDisposable
{
    private readonly List<ServedRequest> rows = [];
    private readonly List<int> padding = [];   // of each row
    private EvaluationMode? mode;
    private PassHandle? pass;
    private IDisposable? folding;
    private KeyValueCache? cache;

    /// <summary>The requests.</summary>
    public IReadOnlyList<ServedRequest> Rows => rows;

    /// <summary>True if a request failed while it joined the cache, such as for lack of memory: only some layers may hold it, so that no request can continue.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Number of positions that the cache will have at most if a request joins: rows times the longest.</summary>
    public long Positions(ServedRequest? joining = null)
    {
        var width = Math.Max(cache?.Length ?? 0, joining?.Prompt.Count ?? 0);
        var remaining = rows.Select(row => row.Remaining).Append(joining is null ? 0 : Most(joining)).Max();
        return (long)(rows.Count + (joining is null ? 0 : 1)) * (width + remaining);
    }

    /// <summary>The maximum number of new tokens of a request that has not begun.</summary>
    public static int Most(ServedRequest request) => request.Settings.Limit(request.Prompt.Count);

    /// <summary>Reads the prompt of a request, chooses its first token, and lets it take part in the next steps.</summary>
    /// <exception cref="ArgumentException">The prompt is invalid.</exception>
    /// <exception cref="GenerationException">No token can be chosen.</exception>
    public void Join(ServedRequest request)
    {
        Open();
        try
        {
            Assign([request.Adapter]);
            using (var inside = pass?.Enter())
            using (var inference = inference_mode())
            using (var scope = NewDisposeScope())
            {
                var decoding = new Decoding(model, [request.Prompt], request.Settings);
                try
                {
                    request.Begin(decoding.Limit);
                    request.Take(request.Choose(decoding.Next()));
                    if (!request.HasEnded) Add(request, decoding);
                }
                finally
                {
                    if (cache != decoding.Cache) decoding.Dispose();
                    else decoding.DisposeButCache();
                }
            }
        }
        finally
        {
            Arrange();
        }
    }

    /// <summary>Adds a token to each request.</summary>
    public void Step()
    {
        using var inside = pass?.Enter();
        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        var ids = tensor(rows.Select(row => (long)row.Last).ToArray(), [rows.Count, 1], device: model.Device);
        var logits = ((CausalLM)model).ForwardLast(new ModelInput { InputIds = ids, Cache = cache, AttentionMask = Mask() }).squeeze(1);
        var (highest, places) = logits.max(-1);
        var finite = highest.isfinite().cpu().data<bool>().ToArray();
        var best = places.cpu().data<long>().ToArray();
        for (var row = 0; row < rows.Count; row++)
        {
            try
            {
                rows[row].Take(rows[row].IsPlain && finite[row] ? (int)best[row] : rows[row].Choose(logits.narrow(0, row, 1)));
            }
            // Of this request alone: its adapter may be broken, or its options exclude all tokens.
            catch (Exception error)
            {
                rows[row].End(error);
            }
        }
    }

    /// <summary>Removes the requests that have ended.</summary>
    public void Leave()
    {
        int[] kept = [.. Enumerable.Range(0, rows.Count).Where(row => !rows[row].HasEnded)];
        if (kept.Length == rows.Count) return;
        ServedRequest[] stay = [.. kept.Select(row => rows[row])];
        if (kept.Length > 0)
        {
            var skip = kept.Min(row => padding[row]);
            int[] missing = [.. kept.Select(row => padding[row] - skip)];
            cache!.Select([.. kept.Select(row => (long)row)], skip);
            padding.Clear();
            padding.AddRange(missing);
        }
        rows.Clear();
        rows.AddRange(stay);
        Arrange();
    }

    private void Add(ServedRequest request, Decoding decoding)
    {
        var length = decoding.Cache.Length;
        if (cache is null) cache = decoding.Cache;
        else
        {
            var longer = length - cache.Length;
            IsBroken = true;
            cache.Join(decoding.Cache);
            IsBroken = false;
            for (var row = 0; row < padding.Count && longer > 0; row++) padding[row] += longer;
        }
        padding.Add(cache.Length - length);
        rows.Add(request);
    }

    // [rows, length + 1], without padding null
    private Tensor? Mask()
    {
        if (padding.TrueForAll(each => each == 0)) return null;
        var first = tensor(padding.Select(each => (long)each).ToArray(), [padding.Count, 1], device: model.Device);
        return arange(Constant(0), Constant(cache!.Length + 1), One, ScalarType.Int64, model.Device).unsqueeze(0).ge(first).to_type(ScalarType.Int64);
    }

    private void Open()
    {
        mode ??= new EvaluationMode(model);
        if (pass is null && PeftModel.Of(model) is { } peft) pass = peft.BeginPass(null);
    }

    private void Arrange()
    {
        if (rows.Count > 0) Assign([.. rows.Select(row => row.Adapter)]);
        else Close();
    }

    private void Assign(IReadOnlyList<Adapter?> adapters)
    {
        if (pass is null) return;
        PeftModel.Of(model)!.UseRows(pass, adapters);
        folding?.Dispose();
        using var inside = pass.Enter();
        folding = PeftModel.Of(model)!.KeepStacked();
    }

    private void Close()
    {
        cache?.Dispose();
        cache = null;
        IsBroken = false;
        padding.Clear();
        folding?.Dispose();
        folding = null;
        pass?.Dispose();
        pass = null;
        mode?.Dispose();
        mode = null;
    }

    /// <summary>Ends the batch; its requests stay as they are.</summary>
    public void Dispose()
    {
        rows.Clear();
        Close();
    }
}
