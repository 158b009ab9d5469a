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
    [ThreadStatic] private static bool once;

    /// <summary>True if backward passes on this thread do not retain the graph.</summary>
    public static bool RunOnce => once;

    /// <summary>Declares that backward passes on this thread do not retain the graph, until the result is disposed.</summary>
    public static Scope InOnePass() => new(true);

    /// <summary>Frees what a node saved, if its backward pass cannot run again.</summary>
    public static void Free(autograd.AutogradContext context)
    {
        if (!once || Saved?.GetValue(context) is not IList saved) return;
        foreach (var variable in saved) (variable as IDisposable)?.Dispose();
        saved.Clear();
    }

    /// <summary>Frees some of the saved tensors, unpacked, and what the node saved of them, if its backward pass cannot run again.</summary>
    /// <param name="context">What the node saved.</param>
    /// <param name="unpacked">All saved tensors.</param>
    /// <param name="range">Those to free.</param>
    public static void Free(autograd.AutogradContext context, Tensor[] unpacked, Range range)
    {
        var (start, count) = range.GetOffsetAndLength(unpacked.Length);
        var variables = once ? Saved?.GetValue(context) as IList : null;
        for (var i = start; i < start + count; i++)
        {
            unpacked[i].Dispose();
            if (variables is null) continue;
            (variables[i] as IDisposable)?.Dispose();
            variables[i] = null;
        }
    }

    internal readonly ref struct Scope
    {
        private readonly bool before;

        public Scope(bool value) => (before, once) = (once, value);

        public void Dispose() => once = before;
    }
}
