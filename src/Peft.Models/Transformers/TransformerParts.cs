using Peft.Modules;

namespace Peft.Models;

/// <summary>Creates the projections and norms of a description.</summary>
internal static class TransformerParts
{
    public static AdaptableModule Projection(TransformerSpec spec, long inputs, long outputs, bool bias, Placement at)
        => spec.TransposedProjections
            ? new TransposedLinear(inputs, outputs, bias, at.Type, at.ProjectionDevice)
            : new Linear(inputs, outputs, bias, at.Type, at.ProjectionDevice);

    public static AdaptableModule Norm(TransformerSpec spec, long size, Placement at)
        => spec.Norm == NormKind.Layer
            ? new LayerNorm(size, spec.NormEpsilon, spec.NormBias, at.Type, at.Device, spec.NormOffset)
            : new RmsNorm(size, spec.NormEpsilon, spec.NormOffset, at.Type, at.Device);
}
