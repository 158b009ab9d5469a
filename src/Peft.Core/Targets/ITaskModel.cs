using static TorchSharp.torch;

namespace Peft;

/// <summary>A model whose head is made for a task, which its adapters keep with them (<see cref="TaskDescription"/>).</summary>
public interface ITaskModel
{
    /// <summary>What the model is for now; null if there is nothing to say.</summary>
    TaskDescription? Task { get; }

    /// <summary>The head's projection, whose size the task decides.</summary>
    nn.Module? TaskHead { get; }

    /// <summary>How the head can fit the task of an adapter that is to be added: as many classes, the same pooling.</summary>
    /// <param name="task">What the adapter was trained for.</param>
    /// <param name="adapter">Name of the adapter, for errors.</param>
    /// <param name="alone">Whether the model has no other adapter, so that its head may change.</param>
    /// <returns>Makes it fit, while no pass runs, and returns what undoes that; null if it fits as it is.</returns>
    /// <exception cref="AdapterMismatchException">The head cannot be made to fit.</exception>
    Func<Action>? Fit(TaskDescription task, string adapter, bool alone);

    /// <summary>Takes over the task of an adapter that becomes part of the model's own weights.</summary>
    void Adopt(TaskDescription task);
}
