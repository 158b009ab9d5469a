namespace Peft;

/// <summary>The adapters cannot be merged into the weights of their modules.</summary>
public sealed class NotMergeableException(string message) : PeftException(message)
{
    internal static NotMergeableException For(Target target, AdapterLayer layer)
        => new($"{layer.GetType().Name} at {target.Path} cannot be merged: it changes more than the module's weight. Use the adapter unmerged.");
}
