using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Translates torch's errors into named exceptions.</summary>
internal static class NativeError
{
    /// <summary>Creates the exception for a torch error in an operation on an input.</summary>
    /// <param name="error">The error.</param>
    /// <param name="operation">The operation, such as a module with its sizes.</param>
    /// <param name="input">The input.</param>
    public static Exception Explain(ExternalException error, string operation, Tensor input)
    {
        var first = error.Message.Split('\n')[0];
        return IsOutOfMemory(error)
            ? new NotEnoughMemoryException($"{operation}: out of memory for an input {TensorRules.Describe(input)} ({first}). Use fewer or shorter rows.")
            : new ArgumentException($"{operation} does not accept {TensorRules.Describe(input)}: {first}", nameof(input), error);
    }

    /// <summary>True if torch could not allocate memory.</summary>
    public static bool IsOutOfMemory(ExternalException error)
        => error.Message.Contains("allocate memory", StringComparison.Ordinal) || error.Message.Contains("out of memory", StringComparison.OrdinalIgnoreCase);

    /// <summary>True if a tensor that a backward pass needs was changed in place.</summary>
    public static bool IsChangedInPlace(ExternalException error) => error.Message.Contains("modified by an inplace operation", StringComparison.Ordinal);
}
