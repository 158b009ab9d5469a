using Peft.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>TorchSharp's Conv1d, Conv2d and Conv3d: a weight <c>[out, in/groups, kernel…]</c>, viewed as a matrix with all dimensions except the first flattened.</summary>
internal sealed class ConvolutionTarget(string path, Convolution module)
    : Target(path, module, module.groups > 1 ? ModuleKinds.GroupedConvolution : ModuleKinds.Convolution, module.weight!.size(0), module.weight.shape.AsSpan(1))
{
    private readonly long[] inner = module.weight.shape[1..];   // [in/groups, kernel…]

    public override WeightStorage Storage => new ParameterStorage(module.weight!);
    public override Parameter? Bias => module.bias;
    public override long Groups => module.groups;
    public override Tensor ToMatrix(Tensor stored) => stored.reshape(Out, In);
    public override Tensor ToStored(Tensor matrix) => matrix.reshape([Out, .. inner]);

    // A matrix as wide as all groups together reads all channels.
    public override Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null)
    {
        var (rows, columns) = (matrix.size(0), matrix.size(1));
        var groups = columns == In ? module.groups : 1;
        if (rows % groups != 0)
            throw new PeftException($"{Path} is a convolution with {groups} groups: its input cannot be projected to {rows} channels. Exclude it from the targets.");
        using var kernel = matrix.reshape([rows, columns / Kernel, .. inner[1..]]);
        var (edges, sides) = Padding;
        if (edges is null) return Run(input, kernel, bias, module.stride, sides, module.dilation, groups);
        using var padded = nn.functional.pad(input, edges, module.padding_mode == TorchSharp.PaddingModes.Zeros ? TorchSharp.PaddingModes.Constant : module.padding_mode, 0);
        return Run(padded, kernel, bias, module.stride, sides, module.dilation, groups);
    }

    public override Tensor ApplyFactors(Tensor input, Tensor a, Tensor b)
    {
        if (module.groups == 1) return base.ApplyFactors(input, a, b);
        using var product = b.mm(a);   // in separate convolutions, rows of a group would read only the hidden channels of that group
        return Apply(input, product);
    }

    private long Kernel => In / inner[0];

    // Padding that convolutions support on every device: the same number of zeros at both ends. Any other padding is applied to the input first.
    private (long[]? Edges, long[] Sides) Padding
    {
        get
        {
            long[] reach = [.. inner[1..].Zip(module.dilation).Select(k => (k.First - 1) * k.Second)];
            long[] none = [.. reach.Select(_ => 0L)];
            (long Start, long End)[] ends = module.padding_type switch
            {
                TorchSharp.Padding.Valid => [.. none.Select(_ => (0L, 0L))],
                TorchSharp.Padding.Same => [.. reach.Select(length => (length / 2, length - length / 2))],
                _ => [.. module.padding!.Select(length => (length, length))],
            };
            if (ends.All(end => end == (0, 0))) return (null, none);
            if (module.padding_mode == TorchSharp.PaddingModes.Zeros && ends.All(end => end.Start == end.End)) return (null, [.. ends.Select(end => end.Start)]);
            return ([.. ends.Reverse().SelectMany(end => new[] { end.Start, end.End })], none);   // last dimension first
        }
    }

    // If the matrix is narrower than the hidden channels, each group has its own hidden channels.
    public override Tensor Expand(Tensor hidden, Tensor matrix)
    {
        var ones = Ones;
        using var kernel = matrix.reshape([Out, -1, .. ones]);
        return Run(hidden, kernel, null, ones, [.. ones.Select(_ => 0L)], ones, hidden.shape[^(ones.Length + 1)] / kernel.size(1));
    }

    private static Tensor Run(Tensor x, Tensor kernel, Tensor? bias, long[] stride, long[] padding, long[] dilation, long groups) => stride.Length switch
    {
        1 => nn.functional.conv1d(x, kernel, bias, stride[0], padding[0], dilation[0], groups),
        2 => nn.functional.conv2d(x, kernel, bias, stride, padding, dilation, groups),
        _ => nn.functional.conv3d(x, kernel, bias, stride, padding, dilation, groups),
    };
}
