using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Cosines and sines of a forward pass's positions, shaped to multiply <c>[batch, sequence, heads, rotated]</c>.</summary>
/// <param name="Cosine">cos of each angle, twice over.</param>
/// <param name="SignedSine">−sin for the first half of the dimensions, sin for the second.</param>
internal sealed record RotaryAngles(Tensor Cosine, Tensor SignedSine) : IDisposable
{
    /// <summary>Takes the tensors out of the current scope: whoever holds them disposes them.</summary>
    public RotaryAngles Detach()
    {
        Cosine.DetachFromDisposeScope();
        SignedSine.DetachFromDisposeScope();
        return this;
    }

    public void Dispose()
    {
        Cosine.Dispose();
        SignedSine.Dispose();
    }
}

/// <summary>Precomputed angles of the rotary embedding; grows with the longest sequence seen.</summary>
internal sealed class RotaryTable(RotarySettings settings, int headSize) : IDisposable
{
    private readonly Lock growing = new();   // passes may run at the same time
    private Tensor? cosine, sine;   // [positions, 1, rotated]
    private long rows;

    /// <summary>Dimensions of a head that rotate.</summary>
    public int Rotated { get; } = Even((int)(headSize * settings.Partial), headSize, settings);

    // Dimensions turn in pairs.
    private static int Even(int rotated, int headSize, RotarySettings settings) => rotated % 2 == 0 ? rotated : throw new UnsupportedModelException(
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"partial_rotary_factor (rotary_pct) {settings.Partial} rotates {rotated} of a head's {headSize} dimensions, but they turn in pairs: the number must be even."));

    /// <summary>Angles of the positions from <paramref name="start"/> on: views of <c>[length, 1, rotated]</c>.</summary>
    public RotaryAngles Slice(long start, long length, ScalarType type, Device device)
    {
        using var _ = growing.EnterScope();
        Ensure(start + length, type, device);
        return new(cosine!.narrow(0, start, length), sine!.narrow(0, start, length));
    }

    /// <summary>Angles of any positions <c>[batch, sequence]</c>, the largest of which is below <paramref name="limit"/>.</summary>
    public RotaryAngles Pick(Tensor positions, long limit, ScalarType type, Device device)
    {
        using var _ = growing.EnterScope();
        Ensure(limit, type, device);
        using var flat = positions.reshape(-1);
        long[] shape = [.. positions.shape, 1, Rotated];
        using var c = cosine!.index_select(0, flat);
        using var s = sine!.index_select(0, flat);
        return new(c.view(shape), s.view(shape));
    }

    /// <summary>Rotates each pair (i, i + half) of a head's dimensions: <c>[batch, sequence, heads, size]</c>.</summary>
    public static Tensor Rotate(Tensor heads, RotaryAngles angles, int rotated, int headSize)
    {
        if (rotated == headSize) return RotateAll(heads, angles, rotated);
        using var turning = heads.narrow(-1, 0, rotated);
        using var rest = heads.narrow(-1, rotated, headSize - rotated);
        using var turned = RotateAll(turning, angles, rotated);
        return cat([turned, rest], -1);
    }

    private static Tensor RotateAll(Tensor heads, RotaryAngles angles, int size)
    {
        // (x₁, x₂) → (x₁ cos − x₂ sin, x₂ cos + x₁ sin): rolling by half swaps the halves, the sign is in the table.
        using var swapped = heads.roll(size / 2, -1);
        using var straight = heads.mul(angles.Cosine);
        return straight.addcmul(swapped, angles.SignedSine, 1);
    }

    private void Ensure(long needed, ScalarType type, Device device)
    {
        if (cosine is not null && needed <= rows && cosine.dtype == type && cosine.device_type == device.type
            && cosine.device_index == device.index) return;
        Dispose();
        rows = Math.Max(64, (long)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)needed));
        // Inference tensors could not take part in a later training step.
        using var normal = inference_mode(false);
        using var grad = no_grad();
        using var scope = NewDisposeScope();
        var frequencies = Frequencies(device);
        var angles = arange(rows, ScalarType.Float32, device).unsqueeze(1).mul(frequencies);   // [rows, rotated/2]
        if (settings.Factor != 1) angles = arange(rows, ScalarType.Float32, device).unsqueeze(1).mul(frequencies.div(settings.Factor));
        var s = angles.sin();
        cosine = cat([angles, angles], -1).cos().to_type(type).unsqueeze(1).DetachFromDisposeScope();
        sine = cat([s.neg(), s], -1).to_type(type).unsqueeze(1).DetachFromDisposeScope();
    }

    /// <summary>θ^(−2i/rotated), in float32 as published implementations compute it: <c>[rotated/2]</c>.</summary>
    private Tensor Frequencies(Device device)
    {
        var exponents = arange(0, Rotated, 2, ScalarType.Int64, device).to_type(ScalarType.Float32).div(Rotated);
        var frequencies = tensor((float)settings.Base, device: device).pow(exponents).reciprocal();
        if (settings.Llama3 is not { } scaling) return frequencies;

        var wavelengths = frequencies.reciprocal().mul(2 * Math.PI);
        var longest = scaling.OriginalPositions / scaling.LowFrequency;
        var shortest = scaling.OriginalPositions / scaling.HighFrequency;
        var slowed = frequencies.div(scaling.Factor);
        var blend = wavelengths.reciprocal().mul(scaling.OriginalPositions).sub(scaling.LowFrequency)
            .div(scaling.HighFrequency - scaling.LowFrequency);
        var blended = slowed.mul(blend.neg().add(1)).add(frequencies.mul(blend));
        var result = where(wavelengths.gt(longest), slowed, frequencies);
        return where(wavelengths.le(longest).logical_and(wavelengths.ge(shortest)), blended, result);
    }

    public void Dispose()
    {
        cosine?.Dispose();
        sine?.Dispose();
        cosine = sine = null;
    }
}
