namespace Peft;

/// <summary>A soft prompt whose virtual tokens have labels in the loss.</summary>
public interface ILabelsTokens
{
    /// <summary>The labels of the virtual tokens.</summary>
    VirtualLabels Labels { get; }
}
