using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>What all layers share in one forward pass: sizes, positions, what is visible, and the cache. Built once per pass.</summary>
internal sealed class ForwardContext
{
    private readonly List<(int? Window, AttentionPattern Pattern)> patterns = [];
    private IReadOnlyList<int>? realLengths;   // empty where they do not say it all
    private int holders;

    /// <summary>Rows.</summary>
    public required int Batch { get; init; }

    /// <summary>New positions per row.</summary>
    public required int Length { get; init; }

    /// <summary>Positions before them, in the cache or in a prefix.</summary>
    public required int Past { get; init; }

    /// <summary>Type of the hidden states.</summary>
    public required ScalarType Type { get; init; }

    /// <summary>Device of the hidden states.</summary>
    public required Device Device { get; init; }

    /// <summary>1 for keys that exist, <c>[batch, past + length]</c>; null if all do.</summary>
    public Tensor? KeyMask { get; init => field = value?.DetachFromDisposeScope(); }

    /// <summary>How many positions each row has before its padding; null where some padding precedes a token, or a row has nothing else.</summary>
    public IReadOnlyList<int>? RealLengths
    {
        get
        {
            if (KeyMask is null) return null;
            realLengths ??= Count(KeyMask);
            return realLengths.Count == 0 ? null : realLengths;
        }
    }

    /// <summary>1 for positions that are a distance to a window, <c>[batch, past + length]</c>; null if all are.</summary>
    public Tensor? CountedPositions { get; init => field = value?.DetachFromDisposeScope(); }

    /// <summary>Whether a position sees the earlier ones only.</summary>
    public bool Causal { get; init; } = true;

    /// <summary>Added to the attention scores, <c>[1, heads, length, past + length]</c>: relative positions; null for nothing.</summary>
    public Tensor? Bias { get; set => field = value?.DetachFromDisposeScope(); }

    /// <summary>What cross-attention reads; null where there is none.</summary>
    public EncoderStates? Encoder { get; set; }

    /// <summary>The cache, if there is one.</summary>
    public KeyValueCache? Cache { get; init; }

    /// <summary>Keys and values before the input, a pair per layer; null for none.</summary>
    public IReadOnlyList<KeyValuePrefix>? Prefix { get; init => field = value?.Select(Own).ToArray(); }

    /// <summary>Whether layers with a window hold no more of the prefix than it shows.</summary>
    public bool CutsPrefix { get; init; }

    /// <summary>How far the prefix of each layer is open; null for all the way.</summary>
    public IReadOnlyList<PrefixGate>? PrefixGates { get; init; }

    /// <summary>Tokens inside the attention of layers.</summary>
    public IReadOnlyList<AttentionPrompt> InAttention { get; init; } = [];

    /// <summary>Lengths of packed sequences; null if rows are single sequences.</summary>
    public IReadOnlyList<int>? PackedLengths { get; init; }

    /// <summary>The token ids so far; null where they are not known.</summary>
    public PassTokens? Tokens { get; init; }

    /// <summary>The pass of a model with adapters; null without.</summary>
    public PassLease? Pass { get; init; }

    /// <summary>Lets the layers' adapters know of the pass until the result is disposed.</summary>
    public IDisposable Enter() => ForwardPass.Enter(Tokens, new PassPositions { Rows = Batch, IsCausal = Causal, Real = KeyMask, PackedLengths = PackedLengths, Memory = Cache });

    /// <summary>Angles of layers that see everything.</summary>
    public RotaryAngles? Angles { get; set => field = value?.Detach(); }

    /// <summary>Angles of layers with a window, where they differ.</summary>
    public RotaryAngles? WindowAngles { get; set => field = value?.Detach(); }

    /// <summary>The layer that runs, counted as it runs.</summary>
    public int Layer { get; set; }

    /// <summary>What a layer with this window sees.</summary>
    public AttentionPattern Pattern(int? window)
    {
        foreach (var (known, pattern) in patterns)
            if (known == window) return pattern;
        // Outside any scope: the context may outlive the pass.
        var made = AttentionPattern.Create(Length, Past + Length, window, KeyMask, Type, Device, Causal, Bias, KeyMask is null ? null : CountedPositions,
            absent: CutsPrefix && Prefix is not null && window is { } width ? Math.Max(0, Past - width + 1) : 0);
        made.Mask?.DetachFromDisposeScope();
        patterns.Add((window, made));
        return made;
    }

    /// <summary>Keeps the context until the result is disposed: layers that run again in the backward pass hold it longer than the forward pass.</summary>
    public IDisposable Hold()
    {
        holders++;
        return new Holder(this);
    }

    private static IReadOnlyList<int> Count(Tensor mask)
    {
        using var scope = NewDisposeScope();
        var real = mask.ne(Kept(0)).to_type(ScalarType.Byte).cpu().contiguous();
        var bytes = real.bytes;
        var width = (int)real.shape[1];
        var lengths = new int[real.shape[0]];
        for (var row = 0; row < lengths.Length; row++)
        {
            var of = bytes.Slice(row * width, width);
            var first = of.IndexOf((byte)0);
            lengths[row] = first < 0 ? width : first;
            if (lengths[row] == 0 || of[lengths[row]..].Contains((byte)1)) return [];
        }
        return lengths;
    }

    // The giver may let its handles go before layers run again.
    private static KeyValuePrefix Own(KeyValuePrefix given)
        => new(given.Keys.alias().DetachFromDisposeScope(), given.Values.alias().DetachFromDisposeScope());

    private void Release()
    {
        if (--holders > 0) return;
        foreach (var (_, pattern) in patterns) pattern.Dispose();
        Bias?.Dispose();
        Tokens?.Dispose();
        Encoder?.Pattern.Dispose();
        Angles?.Dispose();
        WindowAngles?.Dispose();
        KeyMask?.Dispose();
        CountedPositions?.Dispose();
        foreach (var (keys, values) in Prefix ?? [])
        {
            keys.Dispose();
            values.Dispose();
        }
    }

    private sealed class Holder(ForwardContext context) : IDisposable
    {
        private ForwardContext? context = context;

        public void Dispose()
        {
            context?.Release();
            context = null;
        }
    }
}
