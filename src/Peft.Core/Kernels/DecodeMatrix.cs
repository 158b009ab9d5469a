namespace Peft.Kernels;

/// <summary>A matrix W <c>[outputs, inputs]</c> on the CPU as a decode step reads it: a range of outputs at a time, so that threads share them. It holds addresses, and must not outlive the pass.</summary>
/// <param name="outputs">Number of outputs.</param>
/// <param name="inputs">Length of an input.</param>
/// <param name="rowBytes">Bytes that are read for an output.</param>
/// <param name="isDivisible">True if a short range of outputs is read as fast as a long one.</param>
internal abstract unsafe class DecodeMatrix(int outputs, int inputs, int rowBytes, bool isDivisible)
{
    /// <summary>Number of outputs.</summary>
    public int Outputs => outputs;

    /// <summary>Length of an input.</summary>
    public int Inputs => inputs;

    /// <summary>Bytes that are read for an output.</summary>
    public int RowBytes => rowBytes;

    /// <summary>True if a short range of outputs is read as fast as a long one.</summary>
    public bool IsDivisible => isDivisible;

    /// <summary>Maximum number of rows for which <see cref="Multiply"/> is the fastest product.</summary>
    public virtual int MostRows => DecodeProducts.MostRows;

    /// <summary>True if <see cref="Multiply"/> reads its input in blocks (<see cref="BlockProduct.Arrange"/>).</summary>
    public virtual bool ReadsBlocks(int rows) => false;

    /// <summary>x·Wᵀ + b for a range of outputs.</summary>
    /// <param name="x"><c>[rows, inputs]</c>, or in blocks.</param>
    /// <param name="bias"><c>[outputs]</c>, or null.</param>
    /// <param name="y">Takes the products, <c>[rows, outputs]</c>.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="first">The first output.</param>
    /// <param name="count">Number of outputs.</param>
    public abstract void Multiply(float* x, float* bias, float* y, int rows, int first, int count);
}
