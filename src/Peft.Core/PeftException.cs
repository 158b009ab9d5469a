namespace Peft;

/// <summary>Base of all errors that the library raises about a model, an adapter, a file or a training run.</summary>
public class PeftException : Exception
{
    /// <inheritdoc/>
    public PeftException(string message) : base(message) { }

    /// <inheritdoc/>
    public PeftException(string message, Exception? inner) : base(message, inner) { }
}
