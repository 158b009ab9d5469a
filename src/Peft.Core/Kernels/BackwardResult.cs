using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// Hands gradients from a managed backward function to torch, and lets go of them when torch has taken them over: left in a dispose
/// scope, the gradients of all layers would stay in memory until the step ends.
/// </summary>
internal static class BackwardResult
{
    // Backward runs on the thread that asked for it, one function after another: the last one's results have been taken by then.
    [ThreadStatic] private static List<Tensor>? given;

    /// <summary>The list to return: a gradient or null for each argument of the function.</summary>
    public static List<Tensor> Give(params ReadOnlySpan<Tensor?> gradients)
    {
        var list = given ??= [];
        foreach (var tensor in list) tensor.Dispose();
        list.Clear();
        var result = new List<Tensor>(gradients.Length);
        foreach (var tensor in gradients)
        {
            result.Add(tensor!);   // torch takes null for "no gradient"
            if (tensor is null) continue;
            tensor.DetachFromDisposeScope();
            list.Add(tensor);
        }
        return result;
    }
}
