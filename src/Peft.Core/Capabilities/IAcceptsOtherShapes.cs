namespace Peft;

/// <summary>An owner of tensors whose shapes in a file may differ from those that the options specify (BOFT's number of factors). It computes with the loaded shape.</summary>
public interface IAcceptsOtherShapes
{
    /// <summary>True if a tensor may have the shape.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="shape">Its shape in the file.</param>
    bool Accepts(AdapterTensor tensor, ReadOnlySpan<long> shape);
}
