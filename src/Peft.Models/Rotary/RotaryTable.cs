using System.Globalization;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Cached angles of the rotary embedding. The table grows with the maximum position.</summary>
internal sealed class RotaryTable : IDisposable
{
    private readonly RotarySettings settings;
    private readonly Lock growing = new();   // forward passes may run concurrently
    private Tensor? cosine, sine;   // [positions, 1, rotated]
    private readonly int headSize;
    private long rows, regime;

    /// <param name="settings">The settings.</param>
    /// <param name="headSize">Number of dimensions of a head.</param>
    /// <exception cref="UnsupportedModelException">The settings do not match heads of that size.</exception>
    public RotaryTable(RotarySettings settings, int headSize)
    {
        (this.settings, this.headSize, Rotated) = (settings, headSize, settings.Rotated(headSize));
        var dimensions = (int)(headSize * settings.RotatedFraction);
        if (Rotated > headSize || (Rotated > dimensions && settings.Scaling is not (null or LinearScaling or DynamicScaling or Llama3Scaling)))
            throw new UnsupportedModelException(string.Create(CultureInfo.InvariantCulture,
                $"partial_rotary_factor (rotary_pct) {settings.RotatedFraction} rotates {dimensions} of a head's {headSize} dimensions, but they are rotated in pairs: the number must be even."));
        if (settings.Scaling?.Misfit(Rotated) is { } misfit) throw new UnsupportedModelException(misfit);
    }

    /// <summary>Number of a head's dimensions that are rotated.</summary>
    public int Rotated { get; }

    /// <summary>Angles of the positions from <paramref name="start"/> on: <c>[length, 1, rotated]</c>.</summary>
    public RotaryAngles Slice(long start, long length, ScalarType type, Device device)
    {
        using var _ = growing.EnterScope();
        if (IsPassing(start + length))
        {
            using var positions = arange(Constant(start), Constant(start + length), One, ScalarType.Float32, device);
            return Angles(positions, type);
        }
        Ensure(start + length, type, device);
        return new(cosine!.narrow(0, start, length), sine!.narrow(0, start, length));
    }

    /// <summary>Angles of arbitrary positions <c>[batch, sequence]</c>, all below <paramref name="limit"/>.</summary>
    public RotaryAngles Pick(Tensor positions, long limit, ScalarType type, Device device)
    {
        using var _ = growing.EnterScope();
        using var scope = NewDisposeScope();
        var flat = positions.reshape(-1);
        long[] shape = [.. positions.shape, 1, Rotated];
        // Reading the maximum position from the device is worthwhile only if the frequencies depend on it.
        if (settings.Scaling is { } scaling && scaling.Regime(limit, regime) != scaling.Regime(0, regime)) limit = positions.max().item<long>() + 1;
        Tensor c, s;
        if (IsPassing(limit) || limit > MaxRows) (c, s) = Angles(flat.to_type(ScalarType.Float32), type);
        else
        {
            Ensure(limit, type, device);
            (c, s) = (cosine!.index_select(0, flat), sine!.index_select(0, flat));
        }
        return new(c.view(shape).MoveToOuterDisposeScope(), s.view(shape).MoveToOuterDisposeScope());
    }

    /// <summary>Rotates each pair (i, i + half) of a head's dimensions: <c>[batch, sequence, heads, size]</c>.</summary>
    public static Tensor Rotate(Tensor heads, RotaryAngles angles, int rotated, int headSize)
    {
        if (rotated == headSize) return RotateAll(heads, angles, rotated);
        using var first = heads.narrow(-1, 0, rotated);
        using var rest = heads.narrow(-1, rotated, headSize - rotated);
        using var result = RotateAll(first, angles, rotated);
        return cat([result, rest], -1);
    }

    private static Tensor RotateAll(Tensor heads, RotaryAngles angles, int size)
    {
        // (x₁, x₂) → (x₁ cos − x₂ sin, x₂ cos + x₁ sin): rolling by half swaps the halves, the sign is in the table.
        using var swapped = heads.roll(size / 2, -1);
        using var straight = heads.mul(angles.Cosine);
        return straight.addcmul(swapped, angles.SignedSine, Constant(1));
    }

    // Only callers pass larger positions, and these are usually sparse: most of a table up to them would be unused.
    private const long MaxRows = 1 << 20;

    // True if a pass of this length has its own frequencies, so a table is useless.
    private bool IsPassing(long length)
    {
        if (settings.Scaling is not { } scaling) return false;
        var now = scaling.Regime(length, regime);
        if (now != regime) Dispose();
        regime = now;
        return scaling.IsPassing(now);
    }

    private void Ensure(long needed, ScalarType type, Device device)
    {
        if (cosine is not null && needed <= rows && cosine.dtype == type && cosine.device_type == device.type
            && cosine.device_index == device.index) return;
        Dispose();
        rows = Math.Max(64, (long)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)needed));
        // Inference tensors could not be used in a later training step.
        using var normal = inference_mode(false);
        using var positions = arange(Constant(0), Constant(rows), One, ScalarType.Float32, device);
        (cosine, sine) = Angles(positions, type).Detach();
    }

    // [positions, 1, rotated]
    private RotaryAngles Angles(Tensor positions, ScalarType type)
    {
        using var grad = no_grad();
        using var scope = NewDisposeScope();
        var exponents = settings.Exponents(headSize, positions.device);
        var angles = positions.unsqueeze(1).mul(settings.Frequencies(exponents, regime));
        var (c, s) = (angles.cos(), angles.sin());
        if (settings.Scaling is { AttentionFactor: not 1 and var factor }) (c, s) = (c.mul(Constant(factor)), s.mul(Constant(factor)));
        return new(cat([c, c], -1).to_type(type).unsqueeze(1).MoveToOuterDisposeScope(),
                   cat([s.neg(), s], -1).to_type(type).unsqueeze(1).MoveToOuterDisposeScope());
    }

    public void Dispose()
    {
        cosine?.Dispose();
        sine?.Dispose();
        cosine = sine = null;
    }
}
