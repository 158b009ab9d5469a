namespace Peft;

/// <summary>No module matches the targets of an adapter, or a requested name matches none.</summary>
public sealed class TargetNotFoundException(string message) : PeftException(message);

/// <summary>An adapter of that name exists already, or the model has adapters already.</summary>
public sealed class AdapterExistsException(string message) : PeftException(message);

/// <summary>No adapter has that name.</summary>
public sealed class AdapterNotFoundException(string message) : PeftException(message);

/// <summary>The options are invalid. The message lists all errors.</summary>
public sealed class AdapterOptionsException(string message) : PeftException(message);

/// <summary>A saved adapter does not fit its model: keys are missing or unexpected, shapes differ, or the base model is another.</summary>
public sealed class AdapterMismatchException(string message) : PeftException(message);

/// <summary>The adapters cannot be merged into the weights of their modules.</summary>
public sealed class NotMergeableException(string message) : PeftException(message)
{
    internal static NotMergeableException For(Target target, AdapterLayer layer)
        => new($"{layer.GetType().Name} at {target.Path} cannot be merged: it changes more than the module's weight. Use the adapter unmerged.");
}
