namespace Peft;

/// <summary>Handling of trainable tensors that receive no gradient in the first step.</summary>
public enum MissingGradientPolicy
{
    /// <summary>End the run with an exception that names the tensors.</summary>
    Throw,

    /// <summary>Log a warning that names the tensors.</summary>
    Warn,

    /// <summary>Do nothing, for a model that does not use all of its modules in each step.</summary>
    Ignore,
}
