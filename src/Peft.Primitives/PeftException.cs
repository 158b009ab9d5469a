namespace Peft;

/// <summary>Base class of the exceptions that the library throws about a model, an adapter, a file or a training run.</summary>
public class PeftException : Exception
{
    /// <inheritdoc/>
    public PeftException(string message) : base(message) { }

    /// <inheritdoc/>
    public PeftException(string message, Exception? inner) : base(message, inner) { }
}
