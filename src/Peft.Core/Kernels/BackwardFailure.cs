using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// What happens to an exception in the backward pass of a managed node. It cannot pass through torch's native code: it would end the process.
/// </summary>
internal static class BackwardFailure
{
    // Backward passes on the CPU run on the thread that starts them.
    [ThreadStatic] private static bool listens;
    [ThreadStatic] private static ExceptionDispatchInfo? first;

    /// <inheritdoc cref="Run{T}(Func{T})"/>
    public static void Run(Action backward) => Run(() => { backward(); return true; });

    /// <summary>Runs a backward pass, and throws the first exception of its nodes afterwards.</summary>
    public static T Run<T>(Func<T> backward)
    {
        var before = (listens, first);
        (listens, first) = (true, null);
        try
        {
            var result = backward();
            first?.Throw();
            return result;
        }
        catch (Exception) when (first is not null)
        {
            first.Throw();
            throw;
        }
        finally
        {
            (listens, first) = before;
        }
    }

    /// <summary>Takes an exception, and returns gradients instead of those that it prevented.</summary>
    /// <param name="error">The exception.</param>
    /// <param name="isTensor">For each argument of the node, true if it is a tensor.</param>
    /// <returns>No gradients within <see cref="Run(Action)"/>; otherwise gradients that torch refuses, so that the user's call of <c>backward</c> throws an <see cref="ExternalException"/>.</returns>
    public static Tensor?[] Take(Exception error, bool[] isTensor)
    {
        if (!listens) return Array.ConvertAll(isTensor, tensor => tensor ? empty([1], device: new Device(DeviceType.META)) : null);
        first ??= ExceptionDispatchInfo.Capture(Explain(error));
        return new Tensor?[isTensor.Length];
    }

    private static Exception Explain(Exception error)
    {
        if (error is not ExternalException native) return error;
        var line = native.Message.Split('\n')[0];
        if (NativeError.IsOutOfMemory(native))
            return new NotEnoughMemoryException($"The backward pass ran out of memory ({line}). Use fewer or shorter rows, or set {nameof(TrainingOptions.MaxMemory)}.");
        return NativeError.IsChangedInPlace(native)
            ? new TrainingException($"A tensor that the backward pass needs was changed in place after the forward pass had used it ({line}). "
                + "Let the model create a new tensor instead, such as y = y.add(x) for y.add_(x).", error)
            : error;
    }
}
