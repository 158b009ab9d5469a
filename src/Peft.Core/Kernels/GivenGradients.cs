using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// Returns gradients from a managed backward function to torch, and disposes them after torch has taken them over. In a dispose
/// scope, the gradients of all layers would stay in memory until the end of the step.
/// </summary>
internal static class GivenGradients
{
    // The backward functions of a thread run sequentially, so torch has taken over the gradients of the previous one.
    [ThreadStatic] private static List<Tensor>? given;

    /// <summary>Creates the list to return: one gradient or null per argument of the function.</summary>
    public static List<Tensor> Give(Tensor?[] gradients)
    {
        var list = given ??= [];
        foreach (var tensor in list) tensor.Dispose();
        list.Clear();
        var result = new List<Tensor>(gradients.Length);
        foreach (var tensor in gradients)
        {
            result.Add(tensor!);   // null means "no gradient" to torch
            if (tensor is null) continue;
            tensor.DetachFromDisposeScope();
            list.Add(tensor);
        }
        return result;
    }
}
