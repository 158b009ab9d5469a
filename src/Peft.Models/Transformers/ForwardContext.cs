using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The state that all layers share in one forward pass: sizes, positions, attention patterns and the cache. Created once per pass.</summary>
internal sealed class ForwardContext
{
    private readonly List<(int? Window, Tensor? Bias, AttentionPattern Pattern)> patterns = [];
    private IReadOnlyList<int>? realLengths, firstPositions;   // empty if they do not describe the mask
    private bool? isDecodeStep;
    private int holders;

    /// <summary>Number of rows.</summary>
    public required int Batch { get; init; }

    /// <summary>Number of new positions per row.</summary>
    public required int Length { get; init; }

    /// <summary>Number of positions of all rows.</summary>
    public long Rows => (long)Batch * Length;

    /// <summary>Number of preceding positions, in the cache or in a prefix.</summary>
    public required int Past { get; init; }

    /// <summary>Number of virtual tokens at the beginning of all positions.</summary>
    public int VirtualTokens { get; init; }

    /// <summary>Dtype of the hidden states.</summary>
    public required ScalarType Type { get; init; }

    /// <summary>Device of the hidden states.</summary>
    public required Device Device { get; init; }

    /// <summary>1 for real keys, 0 for padding, <c>[batch, past + length]</c>; null if all are real.</summary>
    public Tensor? KeyMask { get; init => field = value?.DetachFromDisposeScope(); }

    /// <summary>Number of real positions of each right-padded row. Null if some row is padded elsewhere or is all padding, or if there is no mask.</summary>
    public IReadOnlyList<int>? RealLengths
    {
        get
        {
            if (KeyMask is null) return null;
            realLengths ??= Count(KeyMask);
            return realLengths.Count == 0 ? null : realLengths;
        }
    }

    /// <summary>The first real position of each left-padded row. Null if some row is padded elsewhere or ends in padding, or if there is no mask.</summary>
    public IReadOnlyList<int>? FirstPositions
    {
        get
        {
            if (KeyMask is null) return null;
            firstPositions ??= Firsts(KeyMask);
            return firstPositions.Count == 0 ? null : firstPositions;
        }
    }

    /// <summary>True if each row is one position that the pass adds to the cache and nothing else takes part in attention, so that the decode kernels apply: on the CPU in float32, in inference mode.</summary>
    public bool IsDecodeStep => isDecodeStep ??= is_inference_mode_enabled() && this is { Causal: true, Length: 1, Cache: not null, Prefix: null, PrefixGates: null, Bias: null, InAttention.Count: 0, Encoder: null, Type: ScalarType.Float32 }
        && Device.type == TorchSharp.DeviceType.CPU && (KeyMask is null || (CountedPositions is null && FirstPositions is not null));

    /// <summary>1 for positions that count towards distances in a sliding window, <c>[batch, past + length]</c>; null if all do.</summary>
    public Tensor? CountedPositions { get; init => field = value?.DetachFromDisposeScope(); }

    /// <summary>True if a position attends only to earlier ones and itself.</summary>
    public bool Causal { get; init; } = true;

    /// <summary>Additive biases of the attention scores for positions, broadcast to <c>[batch, heads, length, past + length]</c>: one for all layers, or one for each.</summary>
    public IReadOnlyList<Tensor> Biases { get; set => field = [.. value.Select(bias => bias.DetachFromDisposeScope())]; } = [];

    /// <summary>The bias of the current layer; null for none.</summary>
    public Tensor? Bias => Biases.Count switch { 0 => null, 1 => Biases[0], _ => Biases[Layer] };

    /// <summary>The embeddings of relative positions of disentangled attention; null if there are none.</summary>
    public RelativeStates? Relative { get; set => field = value?.Detach(); }

    /// <summary>The input of cross-attention; null if there is none.</summary>
    public EncoderStates? Encoder { get; set; }

    /// <summary>The KV cache; null if there is none.</summary>
    public KeyValueCache? Cache { get; init; }

    /// <summary>Keys and values that precede the input, a pair per layer; null if there are none.</summary>
    public IReadOnlyList<KeyValuePrefix>? Prefix { get; init => field = value?.Select(Own).ToArray(); }

    /// <summary>True if layers with a sliding window see only the part of the prefix that is inside the window.</summary>
    public bool CutsPrefix { get; init; }

    /// <summary>Gate of each layer's prefix; null if the prefix is always fully attended.</summary>
    public IReadOnlyList<PrefixGate>? PrefixGates { get; init; }

    /// <summary>Virtual tokens inside the attention of individual layers.</summary>
    public IReadOnlyList<AttentionPrompt> InAttention { get; init; } = [];

    /// <summary>Lengths of packed sequences; null if rows are single sequences.</summary>
    public IReadOnlyList<int>? PackedLengths { get; init; }

    /// <inheritdoc cref="ModelInput.PackedParents"/>
    public IReadOnlyList<int>? PackedParents { get; init; }

    /// <inheritdoc cref="ModelInput.PromptLengths"/>
    public IReadOnlyList<int>? PromptLengths { get; init; }

    /// <summary>Number of positions that the pass adds to the cache.</summary>
    public int Added => PromptLengths?.Max() ?? Length;

    /// <summary>The cache of the current layer, with room for the new positions.</summary>
    public (Tensor Keys, Tensor Values) CacheRoom(AttentionShape shape) => Cache!.Room(Layer, PromptLengths?.Count ?? Batch, shape.KeyValueHeads, shape.Size, Added, Type, Device);

    /// <summary>The token ids so far; null if they are unknown.</summary>
    public PassTokens? Tokens { get; init; }

    /// <summary>The forward pass of a model with adapters; null without adapters.</summary>
    public PassHandle? Pass { get; init; }

    /// <summary>Makes the tokens and positions of the pass available to the layers' adapters, until the result is disposed.</summary>
    public IDisposable Enter() => ForwardPass.Enter(Tokens, new PassPositions { Rows = Batch, IsCausal = Causal, Real = KeyMask, PackedLengths = PackedLengths, Memory = Cache, Past = Past, VirtualTokens = VirtualTokens });

    /// <summary>Rotary angles of layers with full attention.</summary>
    public RotaryAngles? Angles { get; set => field = value?.Detach(); }

    /// <summary>Rotary angles of layers with a sliding window, if they differ.</summary>
    public RotaryAngles? WindowAngles { get; set => field = value?.Detach(); }

    /// <summary>Index of the current layer, in the order of execution.</summary>
    public int Layer { get; set; }

    /// <summary>Which run of the current layer this is.</summary>
    public LayerRun Run { get; set; }

    /// <summary>True in the second run of a checkpointed layer.</summary>
    public bool IsSecondRun => Run == LayerRun.Second;

    /// <summary>The attention pattern of layers with this window.</summary>
    public AttentionPattern Pattern(int? window)
    {
        var bias = Bias;
        foreach (var (known, knownBias, pattern) in patterns)
            if (known == window && ReferenceEquals(knownBias, bias)) return pattern;
        // Outside of any dispose scope: the context may outlive the pass.
        var made = AttentionPattern.Create(Length, Past + Length, window, KeyMask, Type, Device, Causal, bias, KeyMask is null ? null : CountedPositions,
            absent: CutsPrefix && Prefix is not null && window is { } width ? Math.Max(0, Past - width + 1) : 0);
        made.Mask?.DetachFromDisposeScope();
        patterns.Add((window, bias, made));
        return made;
    }

    /// <summary>Keeps the context alive until the result is disposed. Layers that run again in the backward pass need it longer than the forward pass.</summary>
    public IDisposable Hold()
    {
        holders++;
        return new Holder(this);
    }

    private static IReadOnlyList<int> Count(Tensor mask) => Borders(mask, ending: 0);

    private static IReadOnlyList<int> Firsts(Tensor mask) => Borders(mask, ending: 1);

    // The position in each row from which all values equal ending, and none before it; empty if some row has none, or no real position.
    private static int[] Borders(Tensor mask, byte ending)
    {
        using var scope = NewDisposeScope();
        var real = mask.ne(Constant(0)).to_type(ScalarType.Byte).cpu().contiguous();
        var bytes = real.bytes;
        var width = (int)real.size(1);
        var borders = new int[real.size(0)];
        for (var row = 0; row < borders.Length; row++)
        {
            var of = bytes.Slice(row * width, width);
            var first = of.IndexOf(ending);
            borders[row] = first < 0 ? width : first;
            var isEmpty = borders[row] == (ending == 0 ? 0 : width);
            if (isEmpty || of[borders[row]..].Contains((byte)(1 - ending))) return [];
        }
        return borders;
    }

    // Aliases, because the caller may dispose its tensors before layers run again.
    private static KeyValuePrefix Own(KeyValuePrefix given)
        => new(given.Keys.alias().DetachFromDisposeScope(), given.Values.alias().DetachFromDisposeScope());

    private void Release()
    {
        if (--holders > 0) return;
        foreach (var (_, _, pattern) in patterns) pattern.Dispose();
        foreach (var bias in Biases) bias.Dispose();
        Relative?.Dispose();
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
