using Peft.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>A module of this library: it applies itself.</summary>
internal sealed class OwnTarget(string path, AdaptableModule module) : Target(path, module)
{
    // Lookup tables and GPT-2's Conv1D store [in, out].
    private readonly bool transposed = module is TransposedLinear or Modules.Embedding;

    public override Parameter Weight => module.Weight;
    public override Parameter? Bias => module.Bias;
    public override long Out { get; } = module.Weight.shape[module is TransposedLinear or Modules.Embedding ? 1 : 0];
    public override long In { get; } = module.Weight.dim() == 1 ? 1 : module.Weight.shape[module is TransposedLinear or Modules.Embedding ? 0 : 1];
    public override bool IsLookup => module is Modules.Embedding;
    public override bool IsMatrix { get; } = module.Weight.dim() == 2;
    public override bool IsProduct => IsMatrix && !IsLookup;
    public override bool IsStoredTransposed => transposed && !IsLookup;
    public override Tensor ToMatrix(Tensor stored) => transposed ? stored.t() : stored.alias();
    public override Tensor ToStored(Tensor matrix) => transposed ? matrix.t() : matrix.alias();
    internal override long Positions(Tensor input) => IsLookup ? input.numel() : input.numel() / In;

    public override Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null)
    {
        if (!transposed) return module.Apply(input, matrix, bias);
        using var stored = matrix.t();
        return module.Apply(input, stored, bias);
    }
}

/// <summary>TorchSharp's Linear.</summary>
internal sealed class LinearTarget(string path, TorchSharp.Modules.Linear module) : Target(path, module)
{
    public override Parameter Weight => module.weight!;
    public override Parameter? Bias => module.bias;
    public override long Out => module.out_features;
    public override long In => module.in_features;
    public override bool IsProduct => true;
    public override Tensor ToMatrix(Tensor stored) => stored.alias();
    public override Tensor ToStored(Tensor matrix) => matrix.alias();
    public override Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null) => nn.functional.linear(input, matrix, bias);
}

/// <summary>TorchSharp's Embedding, a table <c>[rows, size]</c>: as an operation, a matrix <c>[size, rows]</c> applied to one-hot ids.</summary>
internal sealed class EmbeddingTarget(string path, TorchSharp.Modules.Embedding module) : Target(path, module)
{
    public override Parameter Weight { get; } = module.weight!;   // the native module gives a new wrapper at each call
    public override Parameter? Bias => null;
    public override long Out => Weight.shape[1];
    public override long In => Weight.shape[0];
    public override bool IsLookup => true;
    public override Tensor ToMatrix(Tensor stored) => stored.t();
    public override Tensor ToStored(Tensor matrix) => matrix.t();
    internal override long Positions(Tensor input) => input.numel();

    public override Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null)
    {
        using var table = matrix.t();
        return Modules.Embedding.Lookup(input, table);
    }
}

/// <summary>TorchSharp's Conv1d, Conv2d and Conv3d, a weight <c>[out, in/groups, kernel…]</c> seen with its last dimensions as one.</summary>
internal sealed class ConvolutionTarget : Target
{
    private readonly Convolution module;
    private readonly long[] inner;   // [in/groups, kernel…]

    public ConvolutionTarget(string path, Convolution module) : base(path, module)
    {
        if (module.padding_mode != TorchSharp.PaddingModes.Zeros)
            throw new PeftException($"{path} pads with '{module.padding_mode}': adapters enter convolutions that pad with zeros only.");
        this.module = module;
        inner = module.weight!.shape[1..];
        Out = module.weight.shape[0];
        In = inner.Aggregate(1L, (a, b) => a * b);
    }

    public override Parameter Weight => module.weight!;
    public override Parameter? Bias => module.bias;
    public override long Out { get; }
    public override long In { get; }
    public override long InputChannels => module.in_channels;
    public override long Groups => module.groups;
    private long[] Ones => [.. inner[1..].Select(_ => 1L)];
    public override long[] InputFactorShape(long rank) => [rank, .. inner];
    public override long[] OutputFactorShape(long rank) => [Out, rank, .. Ones];
    public override long[] OutputVectorShape => [1, Out, .. Ones];
    public override Tensor ToMatrix(Tensor stored) => stored.reshape(Out, In);
    public override Tensor ToStored(Tensor matrix) => matrix.reshape([Out, .. inner]);
    public override Tensor AlongOutput(Tensor vector) => vector.reshape([-1, .. Ones]);
    public override Tensor AlongInput(Tensor vector) => vector.reshape([-1, .. Ones]);

    // Each row of the matrix sees the channels of its group, each under every place of the kernel.
    public override Tensor ScaleColumns(Tensor matrix, Tensor vector)
        => matrix.view(module.groups, -1, inner[0], In / inner[0]).mul(vector.reshape(module.groups, 1, inner[0], 1)).view(Out, In);

    internal override long Positions(Tensor input) => input.numel() / module.in_channels;   // at stride 1; enough for a cost

    public override Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null)
    {
        var rows = matrix.shape[0];
        if (module.groups > 1 && rows != Out)
            throw new PeftException($"{Path} is a convolution of {module.groups} groups: its input cannot be projected to {rows} channels. Exclude it from the targets.");
        using var kernel = matrix.reshape([rows, .. inner]);
        return Run(input, kernel, bias, module.stride, Padding, module.dilation, module.groups);
    }

    // A convolution that asks for "same" names no numbers: half of what the kernel reaches, on each side.
    private long[] Padding => module.padding_type switch
    {
        TorchSharp.Padding.Valid => [.. inner[1..].Select(_ => 0L)],
        TorchSharp.Padding.Same when inner[1..].Zip(module.dilation).All(k => (k.First - 1) * k.Second % 2 == 0)
            => [.. inner[1..].Zip(module.dilation).Select(k => (k.First - 1) * k.Second / 2)],
        TorchSharp.Padding.Same => throw new PeftException($"{Path} pads to the same size with an even kernel, unequally on its two sides: adapters cannot enter it. Exclude it from the targets."),
        _ => module.padding!,
    };

    public override Tensor Expand(Tensor hidden, Tensor matrix)
    {
        var ones = Ones;
        using var kernel = matrix.reshape([Out, -1, .. ones]);
        return Run(hidden, kernel, null, ones, [.. ones.Select(_ => 0L)], ones, 1);
    }

    private static Tensor Run(Tensor x, Tensor kernel, Tensor? bias, long[] stride, long[] padding, long[] dilation, long groups) => stride.Length switch
    {
        1 => nn.functional.conv1d(x, kernel, bias, stride[0], padding[0], dilation[0], groups),
        2 => nn.functional.conv2d(x, kernel, bias, stride, padding, dilation, groups),
        _ => nn.functional.conv3d(x, kernel, bias, stride, padding, dilation, groups),
    };
}

/// <summary>TorchSharp's LayerNorm: a vector for a weight.</summary>
internal sealed class LayerNormTarget(string path, TorchSharp.Modules.LayerNorm module) : Target(path, module)
{
    public override Parameter Weight => module.weight!;
    public override Parameter? Bias => module.bias;
    public override long Out => Weight.numel();
    public override long In => 1;
    public override bool IsMatrix => false;
    public override Tensor ToMatrix(Tensor stored) => stored.alias();
    public override Tensor ToStored(Tensor matrix) => matrix.alias();

    public override Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null)
        => nn.functional.layer_norm(input, module.normalized_shape, matrix, bias, module.eps);
}
