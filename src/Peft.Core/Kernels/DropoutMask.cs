using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// Dropout: each value becomes 0 with a probability p, or is multiplied by 1/(1 − p) (Srivastava et al. 2014). On the CPU in float32, whether a value is dropped is a function of a seed, its row and its column, so that the backward pass
/// recomputes the mask instead of storing it.
/// </summary>
/// <param name="Probability">p, below 1.</param>
/// <param name="Seed">The seed of one mask.</param>
internal readonly record struct DropoutMask(double Probability, uint Seed)
{
    /// <summary>Creates a mask with a seed from torch's generator.</summary>
    public static DropoutMask Draw(double probability)
    {
        using var seed = randint(0, 1L << 32, [1], ScalarType.Int64);
        return new(probability, (uint)seed.item<long>());
    }

    /// <summary>Applies dropout of training to a tensor, <c>[…, width]</c>.</summary>
    public static Tensor Run(Tensor input, double probability)
    {
        if (!Supports(input, probability)) return nn.functional.dropout(input, probability, training: true);
        using var scope = NewDisposeScope();
        var steps = new NodeSteps(input.contiguous());
        steps.Add(new DropoutStep(probability, 0, null));
        return steps.Run()[0].MoveToOuterDisposeScope();
    }

    /// <summary>True if the kernel supports such a tensor and probability.</summary>
    public static bool Supports(Tensor input, double probability) => TorchRuntime.Cpu.DropoutMasks && probability < 1 && input.dim() > 0 && input.numel() > 0 && TensorMemory.Supports(input);

    /// <summary>Writes the values that are left, perhaps added to others, into an output.</summary>
    /// <param name="input">The values <c>[…, width]</c>, contiguous.</param>
    /// <param name="added">Values to which they are added; null for none. May be the output.</param>
    /// <param name="output">The output; may be the input.</param>
    /// <returns>The output.</returns>
    public unsafe Tensor Apply(Tensor input, Tensor? added, Tensor output)
    {
        var width = (int)input.size(-1);
        fixed (float* xs = input.Floats(), rs = added is null ? [] : added.Floats(), ys = output.Floats())
        {
            var (x, r, y, mask) = ((nint)xs, (nint)rs, (nint)ys, this);
            TensorMemory.InRanges((int)(input.numel() / width), 1, (start, count) =>
            {
                for (var row = start; row < start + count; row++)
                {
                    var at = (nint)row * width;
                    mask.Row(row, (float*)x + at, r == 0 ? null : (float*)r + at, (float*)y + at, width);
                }
            });
        }
        return output;
    }

    [MethodImpl(JitOptions.Loop)]
    private unsafe void Row(int row, float* x, float* added, float* y, int width)
    {
        var (threshold, factor) = (Vector256.Create((uint)(Probability * uint.MaxValue)), Vector256.Create((float)(1 / (1 - Probability))));
        var ofRow = Vector256.Create(RandomBits.Mix(RandomBits.Mix(Seed) + (uint)row * 0x9E3779B9));
        var columns = Vector256<uint>.Indices * 0xC2B2AE35u;
        var i = 0;
        for (; i + 8 <= width; i += 8, columns += Vector256.Create(unchecked(8 * 0xC2B2AE35u)))
        {
            var kept = Vector256.GreaterThanOrEqual(RandomBits.Mix(ofRow ^ columns), threshold).AsSingle() & (Vector256.Load(x + i) * factor);
            (added == null ? kept : kept + Vector256.Load(added + i)).Store(y + i);
        }
        for (var lane = 0; i < width; i++, lane++)
        {
            var kept = RandomBits.Mix(ofRow[0] ^ columns[lane]) >= threshold[0] ? x[i] * factor[0] : 0;
            y[i] = added == null ? kept : kept + added[i];
        }
    }
}
