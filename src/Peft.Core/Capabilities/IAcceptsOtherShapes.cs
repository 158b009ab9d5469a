namespace Peft;

/// <summary>An owner of tensors that may take another shape from a file than the options gave them (BOFT's number of factors). It computes with the shape that it finds.</summary>
public interface IAcceptsOtherShapes
{
    /// <summary>True if a tensor may take the shape.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="shape">Its shape in the file.</param>
    bool Accepts(AdapterTensor tensor, ReadOnlySpan<long> shape);
}
