using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>A model that can be trained: its trainable tensors, and how to save them. Usually a <see cref="PeftModel"/>.</summary>
public interface ITrainable
{
    /// <summary>The underlying module, for <c>train()</c>, <c>eval()</c> and its device.</summary>
    nn.Module Module { get; }

    /// <summary>All trainable tensors in a fixed order.</summary>
    IReadOnlyList<TrainableTensor> Trainables { get; }

    /// <summary>
    /// Called at the beginning of a training run. The result is disposed at its end. Until then, changes that would invalidate the trainable tensors
    /// throw an exception.
    /// </summary>
    /// <exception cref="PeftException">The model cannot be trained in its current state.</exception>
    IDisposable? BeginTraining() => null;

    /// <summary>Saves the trained tensors to a folder. Each file is written atomically.</summary>
    void Save(string folder);

    /// <summary>Computes a term that the method adds to the loss (AdaLoRA's orthogonality); null if there is none.</summary>
    Tensor? Penalty();

    /// <summary>Called after each optimizer step, for methods with their own schedule.</summary>
    /// <param name="step">Number of completed steps, from 1.</param>
    /// <param name="totalSteps">Total number of steps of the run.</param>
    void AfterStep(int step, int totalSteps);

    /// <summary>Paths of adapted modules that no forward pass has reached, because the model calls their <c>forward</c> instead of <c>call</c>.</summary>
    IReadOnlyList<string> Unreached { get; }

    /// <summary>Warnings for the user, logged at the beginning of training.</summary>
    IReadOnlyList<string> Warnings => [];

    /// <summary>The learning rate if the options do not set one.</summary>
    double RecommendedLearningRate => 1e-4;

    /// <summary>
    /// Additional tensors that training changes, by name, not copied: a method's statistics, running means. Checkpoints contain them, and resuming
    /// copies the saved values into them.
    /// </summary>
    IReadOnlyDictionary<string, Tensor> TrainingState => new Dictionary<string, Tensor>();
}
