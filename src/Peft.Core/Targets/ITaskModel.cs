using static TorchSharp.torch;

namespace Peft;

/// <summary>A model whose head fits a task. Its adapters are saved with the task (<see cref="TaskDescription"/>).</summary>
public interface ITaskModel
{
    /// <summary>The current task of the model; null if it has no description.</summary>
    TaskDescription? Task { get; }

    /// <summary>The head's projection, whose size depends on the task.</summary>
    nn.Module? TaskHead { get; }

    /// <summary>Checks whether the head fits the task of an adapter to be added: the same number of classes, the same pooling.</summary>
    /// <param name="task">The task for which the adapter was trained.</param>
    /// <param name="adapter">Name of the adapter, for error messages.</param>
    /// <param name="alone">True if the model has no other adapter, so that its head may be replaced.</param>
    /// <returns>An action that replaces the head, to be called while no forward pass runs, and returns its undo action; null if the head already fits.</returns>
    /// <exception cref="AdapterMismatchException">The head does not fit and cannot be replaced.</exception>
    Func<Action>? Fit(TaskDescription task, string adapter, bool alone);

    /// <summary>Adopts the task of an adapter that is merged permanently.</summary>
    void Adopt(TaskDescription task);
}
