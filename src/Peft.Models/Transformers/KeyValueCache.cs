using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// KV cache: for each layer, keys and values of the tokens so far and of an encoder's output. They are written in place, and the buffers grow by doubling. For inference only: run the
/// model under <see cref="no_grad"/> or <see cref="inference_mode"/>.
/// </summary>
/// <param name="capacity">Number of positions to allocate initially.</param>
/// <exception cref="ArgumentOutOfRangeException">The capacity is negative.</exception>
public sealed class KeyValueCache(int capacity = 64) : IPositionMemory, IDisposable
{
    private int capacity = capacity >= 0 ? capacity : throw new ArgumentOutOfRangeException(nameof(capacity), capacity, "The capacity must be at least 0.");
    private bool disposed;
    private (long Batch, long Heads, long Size) shape;   // of the cached tensors
    private readonly List<(Tensor Keys, Tensor Values)> layers = [];   // [batch, heads, capacity, size]
    private readonly List<long> room = [];
    private readonly PositionMemory memory = new();
    private KeyValueCache? first;
    private readonly List<(Tensor Keys, Tensor Values)> cross = [];    // [batch, heads, source, size]

    /// <summary>Number of cached positions.</summary>
    public int Length { get; private set; }

    /// <summary>Number of layers whose keys and values are cached.</summary>
    internal int LayerCount => layers.Count;

    /// <summary>Number of positions that fit without growing.</summary>
    internal int Capacity => room.Count == 0 ? capacity : (int)room.Min();

    /// <summary>Appends a layer's keys and values <c>[batch, heads, new, size]</c> and returns views of all of them.</summary>
    internal (Tensor Keys, Tensor Values) Append(int layer, Tensor keys, Tensor values, int count)
    {
        var (allKeys, allValues) = Room(layer, keys.size(0), keys.size(1), keys.size(3), count, keys.dtype, keys.device);
        using (var slot = allKeys.narrow(2, Length, count)) slot.copy_(keys);
        using (var slot = allValues.narrow(2, Length, count)) slot.copy_(values);
        return (allKeys.narrow(2, 0, Length + count), allValues.narrow(2, 0, Length + count));
    }

    /// <summary>A layer's buffers <c>[batch, heads, capacity, size]</c> with room for the new positions. The cache owns them.</summary>
    internal (Tensor Keys, Tensor Values) Room(int layer, long batch, long heads, long size, int count, ScalarType type, Device device)
    {
        if (layer == layers.Count)
        {
            var positions = Math.Max(capacity, Length + count);
            Require(batch, heads, positions, size, type, device);
            shape = (batch, heads, size);
            layers.Add((Empty(), Empty()));
            room.Add(positions);

            Tensor Empty() => empty([batch, heads, positions, size], type, device).DetachFromDisposeScope();
        }
        if (room[layer] < Length + count) Grow(layer, Length + count);
        return layers[layer];
    }

    /// <summary>The reason why the cache does not match an input; null if it does.</summary>
    /// <param name="batch">Number of rows of the input.</param>
    /// <param name="spec">The model's description.</param>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    internal string? Misfit(long batch, TransformerSpec spec)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (layers.Count == 0) return null;
        if (shape.Heads != spec.KeyValueHeadCount || shape.Size != spec.HeadSize)
            return $"The cache has {shape.Heads} heads of {shape.Size} per layer, but the model has {spec.KeyValueHeadCount} of {spec.HeadSize}: it is the cache of a different model. Use a new one.";
        return shape.Batch == batch ? null : $"The cache has {shape.Batch} rows, but the input has {batch}: use a new cache for each batch.";
    }

    private static void Require(Int128 batch, long heads, long positions, long size, ScalarType type, Device device)
        => MemoryBudget.Require(2 * batch * heads * positions * size, type, device, () => $"the keys and values of one layer, {batch} rows of {positions} positions. Use fewer rows or a smaller capacity.");

    /// <summary>A layer's keys and values of the encoder's output; null if they have not been projected yet.</summary>
    internal (Tensor Keys, Tensor Values)? Cross(int layer) => layer < cross.Count ? cross[layer] : null;

    /// <summary>Stores a layer's keys and values of the encoder's output, and takes ownership of them.</summary>
    internal void KeepCross(int layer, Tensor keys, Tensor values)
    {
        if (layer != cross.Count) throw new InvalidOperationException($"Expected layer {cross.Count}, but got layer {layer}.");
        cross.Add((keys.DetachFromDisposeScope(), values.DetachFromDisposeScope()));
    }

    /// <summary>Copies of a layer's keys and values.</summary>
    internal KeyValuePrefix Held(int layer)
    {
        using var keys = layers[layer].Keys.narrow(2, 0, Length);
        using var values = layers[layer].Values.narrow(2, 0, Length);
        return new(keys.clone(), values.clone());
    }

    /// <summary>The cache of the preliminary pass, for adapters that need one.</summary>
    internal KeyValueCache PreliminaryPass => first ??= new(capacity);

    /// <inheritdoc/>
    Tensor IPositionMemory.Append(object key, Tensor values, Tensor? rows, int batch) => memory.Append(key, values, rows, batch, Length);

    /// <summary>The token ids of the cached positions, <c>[batch, length]</c>; null if some of them were passed as embeddings.</summary>
    internal Tensor? Tokens { get; private set; }

    /// <summary>Advances the length once all layers have appended the new positions.</summary>
    /// <param name="count">Number of new positions.</param>
    /// <param name="tokens">The ids of all positions; null if they are unknown.</param>
    internal void Advance(int count, Tensor? tokens)
    {
        Length += count;
        Keep(tokens?.alias());
    }

    private void Keep(Tensor? tokens)
    {
        Tokens?.Dispose();
        Tokens = tokens?.DetachFromDisposeScope();
    }

    /// <summary>Drops all positions but the first ones.</summary>
    /// <param name="length">Number of positions to keep.</param>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        var dropped = Length - length;
        Length = length;
        memory.Drop(dropped);
        first?.Truncate(Math.Max(0, first.Length - dropped));
        if (Tokens is { } tokens) Keep(tokens.size(1) > dropped ? tokens.narrow(1, 0, tokens.size(1) - dropped) : null);
    }

    /// <summary>Replaces each row by adjacent copies of it, and allocates room for more positions.</summary>
    internal void Repeat(int copies, int positions)
    {
        capacity = Math.Max(positions, Length);
        shape = shape with { Batch = shape.Batch * copies };
        Keep(Tokens?.repeat_interleave(copies, 0));
        memory.Repeat(copies);
        first?.Repeat(copies, positions);
        for (var layer = 0; layer < layers.Count; layer++)
        {
            layers[layer] = (Repeated(layers[layer].Keys, copies, capacity), Repeated(layers[layer].Values, copies, capacity));
            room[layer] = capacity;
        }
        for (var layer = 0; layer < cross.Count; layer++)
        {
            var source = (int)cross[layer].Keys.size(2);
            cross[layer] = (Repeated(cross[layer].Keys, copies, source, source), Repeated(cross[layer].Values, copies, source, source));
        }
    }

    /// <summary>Replaces the keys and values of each row by those of another row, in place.</summary>
    /// <param name="rows">The source row of each row.</param>
    /// <param name="from">The first position at which rows differ.</param>
    internal void Reorder(long[] rows, int from)
    {
        if (from >= Length || rows.Select((row, index) => row == index).All(same => same)) return;
        using var scope = NewDisposeScope();
        var index = tensor(rows, device: layers[0].Keys.device);
        memory.Reorder(index);
        first?.Reorder(rows, Math.Max(0, from - (Length - first.Length)));
        Keep(Tokens?.index_select(0, index));   // rows of the same prompt share the first positions
        foreach (var memory in layers.SelectMany(layer => new[] { layer.Keys, layer.Values }))
        {
            using var part = memory.narrow(2, from, Length - from);
            using var picked = part.index_select(0, index);
            part.copy_(picked);
        }
    }

    /// <summary>Adds copies of the rows of another cache. All rows end at the same position, so the shorter ones begin with padding.</summary>
    internal void Join(KeyValueCache other)
    {
        using var scope = NewDisposeScope();
        var width = Math.Max(Length, other.Length);
        var room = Math.Max(Capacity, width + 1);
        for (var layer = 0; layer < layers.Count; layer++)
        {
            var (mine, theirs) = (layers[layer], other.layers[layer]);
            layers[layer] = (Both(mine.Keys, theirs.Keys), Both(mine.Values, theirs.Values));
            this.room[layer] = room;
        }
        Keep(Tokens is null || other.Tokens is null ? null : cat([Padded(Tokens), Padded(other.Tokens)], 0));
        (shape, Length) = (shape with { Batch = shape.Batch + other.shape.Batch }, width);

        Tensor Both(Tensor old, Tensor added)
        {
            var (from, rows) = (old.Sizes(), added.size(0));
            Require(from[0] + rows, from[1], room, from[3], old.dtype, old.device);
            // Zeros, because masked positions still take part in the products and must be finite.
            var both = zeros([from[0] + rows, from[1], room, from[3]], old.dtype, old.device).DetachFromDisposeScope();
            both.narrow(0, 0, from[0]).narrow(2, width - Length, Length).copy_(old.narrow(2, 0, Length));
            both.narrow(0, from[0], rows).narrow(2, width - other.Length, other.Length).copy_(added.narrow(2, 0, other.Length));
            old.Dispose();
            return both;
        }

        Tensor Padded(Tensor ids) => ids.size(1) == width ? ids : cat([zeros([ids.size(0), width - ids.size(1)], ids.dtype, ids.device), ids], 1);
    }

    /// <summary>Keeps the given rows, without their first positions.</summary>
    /// <param name="rows">The rows to keep, in their new order.</param>
    /// <param name="skip">Number of positions to drop at the beginning, which are padding in all of these rows.</param>
    internal void Select(long[] rows, int skip)
    {
        using var scope = NewDisposeScope();
        var (index, kept) = (tensor(rows, device: layers[0].Keys.device), Length - skip);
        for (var layer = 0; layer < layers.Count; layer++)
        {
            layers[layer] = (Picked(layers[layer].Keys, room[layer]), Picked(layers[layer].Values, room[layer]));
            room[layer] -= skip;
        }
        Keep(Tokens?.narrow(1, skip, kept).index_select(0, index));
        (shape, Length) = (shape with { Batch = rows.Length }, kept);

        Tensor Picked(Tensor old, long positions)
        {
            var picked = old.narrow(2, skip, positions - skip).index_select(0, index).DetachFromDisposeScope();
            old.Dispose();
            return picked;
        }
    }

    private Tensor Repeated(Tensor old, int copies, long positions, int? held = null)
    {
        var shape = old.Sizes();
        var result = empty([shape[0] * copies, shape[1], positions, shape[3]], old.dtype, old.device).DetachFromDisposeScope();
        var length = held ?? Length;
        using (var rows = result.view(shape[0], copies, shape[1], positions, shape[3]))
        using (var target = rows.narrow(3, 0, length))
        using (var once = old.narrow(2, 0, length))
        using (var source = once.unsqueeze(1))
            target.copy_(source);
        old.Dispose();
        return result;
    }

    private void Grow(int layer, int needed)
    {
        var size = Math.Max(room[layer] * 2, needed);
        Require(shape.Batch, shape.Heads, size, shape.Size, layers[layer].Keys.dtype, layers[layer].Keys.device);
        layers[layer] = (Grown(layers[layer].Keys, size), Grown(layers[layer].Values, size));
        room[layer] = size;
    }

    private Tensor Grown(Tensor old, long size)
    {
        var shape = old.Sizes();
        var larger = empty([shape[0], shape[1], size, shape[3]], old.dtype, old.device).DetachFromDisposeScope();
        using (var source = old.narrow(2, 0, Length))
        using (var target = larger.narrow(2, 0, Length))
            target.copy_(source);
        old.Dispose();
        return larger;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        disposed = true;
        foreach (var (keys, values) in layers.Concat(cross))
        {
            keys.Dispose();
            values.Dispose();
        }
        layers.Clear();
        cross.Clear();
        room.Clear();
        Length = 0;
        memory.Dispose();
        first?.Dispose();
        first = null;
        Keep(null);
    }
}
