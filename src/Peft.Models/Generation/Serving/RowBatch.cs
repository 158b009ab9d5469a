using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// The requests that share forward passes, each with its own adapter. The rows of the KV cache are left-padded and end at the same position. A request joins with
/// the keys and values of its prompt; its row is removed when it leaves. Not thread-safe.
/// </summary>
internal sealed class RowBatch(CausalLM model) : IDisposable
{
    private const int MaxPrefillPositions = 1024;   // in one pass, padding included

    private readonly List<ServedRequest> rows = [];
    private readonly List<int> padding = [];   // of each row
    private EvaluationMode? mode;
    private PassHandle? pass;
    private IDisposable? folding;
    private KeyValueCache? cache;

    /// <summary>The requests.</summary>
    public IReadOnlyList<ServedRequest> Rows => rows;

    /// <summary>True if joining the cache failed, for example for lack of memory. Only some layers may then contain the request, so no request can continue.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Maximum number of positions of the cache if requests join: the number of rows times the longest.</summary>
    public long Positions(IReadOnlyCollection<ServedRequest> joining)
    {
        var width = joining.Select(request => request.Prompt.Count).Append(cache?.Length ?? 0).Max();
        var remaining = rows.Select(row => row.Remaining).Concat(joining.Select(MaxNewTokens)).Append(0).Max();
        return (long)(rows.Count + joining.Count) * (width + remaining);
    }

    /// <summary>Maximum number of new tokens of a request that has not begun.</summary>
    public static int MaxNewTokens(ServedRequest request) => request.Settings.Limit(request.Prompt.Count);

    /// <summary>Processes the prompts of requests, chooses their first tokens, and adds them to the next steps. A request that fails ends with its exception.</summary>
    public void Join(IReadOnlyList<ServedRequest> requests)
    {
        Open();
        try
        {
            foreach (var group in requests.GroupBy(Packs).SelectMany(Groups))
                if (group.Count == 1 || !TryRead(group))
                    foreach (var request in group) Read(request);
        }
        finally
        {
            Arrange();
        }
    }

    // True if the prompt can be processed with others without padding.
    private bool Packs(ServedRequest request)
        => request.Prompt.Count <= MaxPrefillPositions && PackedPrompts.Supports(model) && request.Adapter?.Layers.All(layer => layer is ILowRank { IsLowRank: true }) != false;

    // Prompts are processed together as long as activations stay small, and padded ones only if their lengths are similar.
    private static IEnumerable<List<ServedRequest>> Groups(IGrouping<bool, ServedRequest> requests)
    {
        var (group, packs) = (new List<ServedRequest>(), requests.Key);
        foreach (var request in requests.OrderBy(request => request.Prompt.Count))
        {
            var length = request.Prompt.Count;
            var positions = packs ? group.Sum(each => each.Prompt.Count) + length : (group.Count + 1) * length;
            if (group.Count > 0 && (positions > MaxPrefillPositions || (!packs && length > 2 * group[0].Prompt.Count)))
            {
                yield return group;
                group = [];
            }
            group.Add(request);
        }
        if (group.Count > 0) yield return group;
    }

    // False if they cannot be processed together, because one of them is invalid: each then gets its own exception.
    private bool TryRead(List<ServedRequest> group)
    {
        try
        {
            Read(group);
            return true;
        }
        catch (Exception) when (!IsBroken && group.TrueForAll(request => !request.HasBegun))
        {
            return false;
        }
    }

    private void Read(ServedRequest request)
    {
        try
        {
            Read([request]);
        }
        catch (Exception error) when (!IsBroken)
        {
            request.End(error);
        }
    }

    private void Read(IReadOnlyList<ServedRequest> group)
    {
        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        int[] limits = [.. group.Select(request => Decoding.LimitOf(model, request.Settings, request.Prompt.Count))];
        var (logits, read) = Packs(group[0]) ? ReadPacked(group, limits.Max()) : ReadPadded(group);
        try
        {
            for (var row = 0; row < group.Count; row++)
                Try(group[row], request =>
                {
                    request.Begin(limits[row]);
                    request.Take(request.Choose(logits.narrow(0, row, 1)));
                });
            Add(group, read);
        }
        finally
        {
            if (cache != read) read.Dispose();
        }
    }

    // The logits of each prompt's next token [prompts, vocabulary], and the prompts' keys and values.
    private (Tensor Logits, KeyValueCache Cache) ReadPacked(IReadOnlyList<ServedRequest> group, int limit)
    {
        IReadOnlyList<int>[] prompts = [.. group.Select(request => request.Prompt)];
        Decoding.Require(model, prompts, group[0].Settings);
        var read = new KeyValueCache(Decoding.Room(prompts.Max(prompt => prompt.Count), limit));
        try
        {
            Assign([.. group.SelectMany(request => Enumerable.Repeat(request.Adapter, request.Prompt.Count))]);
            using var inside = pass?.Enter();
            var last = PackedPrompts.LastStates(model, prompts, read);
            Assign([.. group.Select(request => request.Adapter)]);
            return (model.NextLogits(last).squeeze(1), read);
        }
        catch
        {
            read.Dispose();
            throw;
        }
    }

    private (Tensor Logits, KeyValueCache Cache) ReadPadded(IReadOnlyList<ServedRequest> group)
    {
        Assign([.. group.Select(request => request.Adapter)]);
        using var inside = pass?.Enter();
        var decoding = new Decoding(model, [.. group.Select(request => request.Prompt)], group[0].Settings);
        try
        {
            var logits = decoding.Next();
            decoding.DisposeButCache();
            return (logits, decoding.Cache);
        }
        catch
        {
            decoding.Dispose();
            throw;
        }
    }

    // An error concerns only this request: its adapter may be broken, or its options may exclude all tokens.
    private static void Try(ServedRequest request, Action<ServedRequest> choose)
    {
        try
        {
            choose(request);
        }
        catch (Exception error)
        {
            request.End(error);
        }
    }

    /// <summary>Adds a token to each request.</summary>
    public void Step()
    {
        using var inside = pass?.Enter();
        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        var ids = tensor(rows.Select(row => (long)row.Last).ToArray(), [rows.Count, 1], device: model.Device);
        var logits = model.ForwardLast(new ModelInput { InputIds = ids, Cache = cache, AttentionMask = Mask() }).squeeze(1);
        var (highest, indices) = logits.max(-1);
        var finite = highest.isfinite().cpu().data<bool>().ToArray();
        var best = indices.cpu().data<long>().ToArray();
        for (var row = 0; row < rows.Count; row++)
            Try(rows[row], request => request.Take(request.IsPlain && finite[row] ? (int)best[row] : request.Choose(logits.narrow(0, row, 1))));
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

    private void Add(IReadOnlyList<ServedRequest> group, KeyValueCache read)
    {
        int[] kept = [.. Enumerable.Range(0, group.Count).Where(row => !group[row].HasEnded)];
        if (kept.Length == 0) return;
        var width = kept.Max(row => group[row].Prompt.Count);
        if (kept.Length < group.Count) read.Select([.. kept.Select(row => (long)row)], read.Length - width);
        if (cache is null) cache = read;
        else
        {
            var longer = width - cache.Length;
            IsBroken = true;
            cache.Join(read);
            IsBroken = false;
            for (var row = 0; row < padding.Count && longer > 0; row++) padding[row] += longer;
        }
        foreach (var row in kept)
        {
            padding.Add(cache.Length - group[row].Prompt.Count);
            rows.Add(group[row]);
        }
    }

    // [rows, length + 1]; null without padding
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

    /// <summary>Ends the batch without ending its requests.</summary>
    public void Dispose()
    {
        rows.Clear();
        Close();
    }
}
