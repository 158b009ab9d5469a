using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Gradients of trainable tensors that kernels add to the trainer's own memory, in backward passes of this thread, instead of passing a tensor for each of them through torch.</summary>
internal static class DirectGradients
{
    // Backward passes on the CPU run on the thread that starts them.
    [ThreadStatic] private static PartGradients? current;

    /// <summary>Collects them, until the result is disposed.</summary>
    public static Scope To(PartGradients gradients) => new(gradients);

    /// <summary>Memory of the sum of a trainable tensor's gradients, contiguous, to which a kernel must add its gradient; 0 if it must return the gradient.</summary>
    public static nint Of(Tensor trained) => current?.Place(trained) ?? 0;

    internal readonly ref struct Scope
    {
        private readonly PartGradients? before;

        public Scope(PartGradients? gradients) => (before, current) = (current, gradients);

        public void Dispose() => current = before;
    }
}
