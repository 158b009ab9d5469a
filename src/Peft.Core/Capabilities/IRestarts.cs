namespace Peft;

/// <summary>A layer whose update can be merged into the weight during training, and then start again from a no-op (<see cref="TrainingOptions.Restarts"/>).</summary>
public interface IRestarts
{
    /// <summary>The reason that the layer cannot restart; null if it can.</summary>
    string? RestartError { get; }

    /// <summary>Initializes the layer's tensors again as a no-op, in place. Random values come from torch's generator.</summary>
    void Restart();
}
