namespace Peft;

/// <summary>A layer whose update can be merged into the weight during training, and begin anew (<see cref="TrainingOptions.Restarts"/>).</summary>
public interface IRestarts
{
    /// <summary>The reason that the layer cannot begin anew; null if it can.</summary>
    string? RestartError { get; }

    /// <summary>Sets the layer's tensors, in place, to initial values with which it changes nothing. Random values come from torch's generator.</summary>
    void Restart();
}
