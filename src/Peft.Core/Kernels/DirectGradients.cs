using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Gradients of trainable tensors that kernels add to the trainer's own memory, in backward passes of this thread, instead of passing a tensor for each of them through torch.</summary>
internal static class DirectGradients
{
    // Backward passes on the CPU run on the thread that starts them.
    [ThreadStatic] private static PartGradients? current;
    [ThreadStatic] private static bool torchAccumulates, expected;

    /// <summary>Collects them, until the result is disposed.</summary>
    /// <param name="gradients">Takes them.</param>
    /// <param name="torchAccumulates">True if torch adds its gradients to the parameters' itself: then no other thread may run a backward pass.</param>
    public static Scope To(PartGradients gradients, bool torchAccumulates = false) => new(gradients, torchAccumulates);

    /// <summary>Declares that the graph which is made on this thread ends in a trainer's backward pass, until the result is disposed.</summary>
    public static Expectation Expect() => new(true);

    /// <summary>True if the graph ends in a trainer's backward pass.</summary>
    public static bool AreExpected => expected || current is not null;

    /// <summary>Memory of the sum of a trainable tensor's gradients, contiguous, to which a kernel must add its gradient; 0 if it must return the gradient.</summary>
    public static nint Of(Tensor trained) => current?.Place(trained) ?? 0;

    /// <summary>
    /// A tensor that requires grad, as an argument of a node whose <see cref="Backward"/> reaches trainable tensors: torch does not run nodes that lead to none of the tensors for which gradients are requested.
    /// </summary>
    /// <param name="device">Its device.</param>
    public static Tensor Anchor(Device device) => current?.Anchor.alias() ?? zeros(1, device: device, requires_grad: true);

    /// <summary>
    /// Runs the backward pass of a graph within a node of another one. Torch would add its gradients of trainable tensors to the parameters, from all threads at once: if this thread collects
    /// gradients, they are added to those.
    /// </summary>
    /// <param name="outputs">The outputs of the graph.</param>
    /// <param name="slopes">Their gradients.</param>
    /// <param name="inputs">Leaves of the graph.</param>
    /// <returns>The gradient of each input; null for one that needs none or does not contribute.</returns>
    public static Tensor?[] Backward(IReadOnlyList<Tensor> outputs, IReadOnlyList<Tensor> slopes, params Tensor[] inputs)
    {
        if (current is not { } gradients || torchAccumulates)
        {
            autograd.backward([.. outputs], [.. slopes]);
            return Array.ConvertAll(inputs, input => input.requires_grad ? input.grad : null);
        }
        Tensor[] learning = [.. inputs.Where(input => input.requires_grad)];
        var results = autograd.grad([.. outputs], [.. learning, .. gradients.Tensors], [.. slopes], allow_unused: true);
        gradients.Add([.. results.Skip(learning.Length)]);
        var next = 0;
        return Array.ConvertAll(inputs, input => input.requires_grad && results[next++] is { IsInvalid: false } result ? result : null);
    }

    internal readonly ref struct Expectation
    {
        private readonly bool before;

        public Expectation(bool value) => (before, expected) = (expected, value);

        public void Dispose() => expected = before;
    }

    internal readonly ref struct Scope
    {
        private readonly (PartGradients?, bool) before;

        public Scope(PartGradients? gradients, bool accumulates)
        {
            before = (current, torchAccumulates);
            (current, torchAccumulates) = (gradients, accumulates);
        }

        public void Dispose() => (current, torchAccumulates) = before;
    }
}
