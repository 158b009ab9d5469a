using System.Collections;
using System.Reflection;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// Frees what the nodes of this library saved, each after its last use, in backward passes that do not retain the graph. torch's own nodes do the same; TorchSharp keeps what a managed node saved until the
/// entire graph is gone.
/// </summary>
internal static class SavedTensors
{
    private const BindingFlags Fields = BindingFlags.NonPublic | BindingFlags.Instance;

    // TorchSharp has no method for it. Without this field (in another version), the tensors are freed with the graph.
    private static readonly FieldInfo? Saved = typeof(autograd.AutogradContext).GetField("_savedVariables", Fields);

    // Backward passes on the CPU run on the thread that starts them.
    [ThreadStatic] private static List<Tensor>? held;

    /// <summary>True if backward passes on this thread do not retain the graph.</summary>
    public static bool RunOnce => held is not null;

    /// <summary>Declares that backward passes on this thread do not retain the graph, until the result is disposed.</summary>
    public static Scope InOnePass() => new([]);

    /// <summary>Holds a tensor for a node of this pass, which frees it after its last use. What nodes have not freed, as when a pass fails, is freed at its end.</summary>
    public static void Hold(Tensor tensor) => held!.Add(tensor.DetachFromDisposeScope());

    /// <summary>Frees what a node saved, if its backward pass cannot run again.</summary>
    public static void Free(autograd.AutogradContext context)
    {
        if (Variables(context) is not { } saved) return;
        foreach (var variable in saved) (variable as IDisposable)?.Dispose();
        saved.Clear();
    }

    /// <summary>Frees one of the tensors that a node saved, if its backward pass cannot run again.</summary>
    /// <param name="context">What the node saved.</param>
    /// <param name="index">Index of the tensor.</param>
    public static void Free(autograd.AutogradContext context, int index)
    {
        if (Variables(context) is not { } saved) return;
        (saved[index] as IDisposable)?.Dispose();
        saved[index] = null;
    }

    private static IList? Variables(autograd.AutogradContext context) => RunOnce ? Saved?.GetValue(context) as IList : null;

    internal readonly ref struct Scope
    {
        private readonly List<Tensor>? before;

        public Scope(List<Tensor>? value) => (before, held) = (held, value);

        public void Dispose()
        {
            foreach (var tensor in held!) tensor.Dispose();
            held = before;
        }
    }
}
