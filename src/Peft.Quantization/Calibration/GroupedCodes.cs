using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>A quantized matrix before it is packed, transposed as files hold it.</summary>
/// <param name="Codes">Integers in float32, <c>[in, out]</c>.</param>
/// <param name="Scales"><c>[groups, out]</c>, in float32.</param>
/// <param name="Zeros">Integers in float32, <c>[groups, out]</c>.</param>
/// <param name="Groups">The group of each input, <c>[in]</c>.</param>
internal sealed record GroupedCodes(Tensor Codes, Tensor Scales, Tensor Zeros, Tensor Groups)
{
    /// <summary>Rounds each value to the nearest of its group.</summary>
    /// <param name="matrix"><c>[in, out]</c>.</param>
    /// <param name="size">Inputs per group.</param>
    /// <param name="bits">Bits per code.</param>
    /// <param name="isSymmetric">True for the middle code as zero.</param>
    /// <param name="path">The module, for error messages.</param>
    public static GroupedCodes Round(Tensor matrix, int size, int bits, bool isSymmetric, string path)
    {
        using var scope = NewDisposeScope();
        var grouped = matrix.view(-1, size, matrix.size(1));
        var grid = GroupGrid.Of(grouped, bits, isSymmetric, path);
        return new GroupedCodes(grid.Codes(grouped).view(matrix.shape), grid.Scales.squeeze(1), grid.Zeros.squeeze(1), Quantization.Values.Groups(matrix.size(0), size, matrix.device)).MoveOut();
    }

    /// <summary>The values, <c>[in, out]</c>.</summary>
    public Tensor Values() => Codes.sub(Zeros.index_select(0, Groups)).mul_(Scales.index_select(0, Groups));

    /// <summary>Moves the tensors to the outer dispose scope.</summary>
    public GroupedCodes MoveOut()
    {
        foreach (var tensor in new[] { Codes, Scales, Zeros, Groups }) tensor.MoveToOuterDisposeScope();
        return this;
    }

    /// <summary>GPTQ's form.</summary>
    public GptqMatrix ToGptq(int bits, int size, bool isSymmetric, string path)
    {
        // The first version of the format stores zeros less 1, so that a zero of 0 has no form there.
        var offset = isSymmetric ? 1 : 0;
        var parts = new Dictionary<string, Tensor>
        {
            ["qweight"] = CodePacking.Along(Codes, bits),
            ["qzeros"] = CodePacking.Along(Zeros.sub(Constant(offset)).t(), bits).t().contiguous(),
            ["scales"] = Scales.to_type(ScalarType.Float16),
            ["g_idx"] = Groups.to_type(ScalarType.Int32),
        };
        return GptqMatrix.Read(path, Codes.size(1), Codes.size(0), parts.GetValueOrDefault, bits, size, offset);
    }

    /// <summary>AWQ's form.</summary>
    public AwqMatrix ToAwq(int size, string path)
    {
        var parts = new Dictionary<string, Tensor> { ["qweight"] = CodePacking.Interleaved(Codes), ["qzeros"] = CodePacking.Interleaved(Zeros), ["scales"] = Scales.to_type(ScalarType.Float16) };
        return AwqMatrix.Read(path, Codes.size(1), Codes.size(0), parts.GetValueOrDefault, size);
    }
}
