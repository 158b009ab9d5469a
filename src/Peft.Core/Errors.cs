namespace Peft;

/// <summary>No module, or not every name asked for, matches the targets of an adapter.</summary>
public sealed class TargetNotFoundException(string message) : PeftException(message);

/// <summary>An adapter of that name, or on that model, exists already.</summary>
public sealed class AdapterExistsException(string message) : PeftException(message);

/// <summary>No adapter has that name.</summary>
public sealed class AdapterNotFoundException(string message) : PeftException(message);

/// <summary>Options that make no sense; all errors at once.</summary>
public sealed class AdapterOptionsException(string message) : PeftException(message);

/// <summary>A saved adapter does not fit its model: keys missing or unexpected, shapes that differ, another base.</summary>
public sealed class AdapterMismatchException(string message) : PeftException(message);

/// <summary>The adapters cannot be expressed as weights of their modules.</summary>
public sealed class NotMergeableException(string message) : PeftException(message)
{
    internal static NotMergeableException For(Target target, AdapterLayer layer)
        => new($"{layer.GetType().Name} at {target.Path} cannot be merged: it changes more than the module's weight. Use the adapter unmerged.");
}
