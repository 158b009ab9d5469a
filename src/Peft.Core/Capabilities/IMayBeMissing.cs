namespace Peft;

/// <summary>An owner of tensors that a file may lack. Missing tensors keep their initial values.</summary>
public interface IMayBeMissing
{
    /// <summary>What is missing and what to do: the end of a sentence for <see cref="Adapter.Warnings"/> that begins with the folder.</summary>
    string MissingWarning { get; }
}
