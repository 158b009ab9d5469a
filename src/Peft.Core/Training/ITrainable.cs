using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>A trainable tensor and its name in the saved adapter.</summary>
/// <param name="Name">Key of the tensor, as in <c>adapter_model.safetensors</c>.</param>
/// <param name="Value">The tensor, a leaf with a gradient.</param>
public sealed record TrainableTensor(string Name, Parameter Value);

/// <summary>What a trainer needs of a model: its trainable tensors and how to save them. PeftModel is the usual one.</summary>
public interface ITrainable
{
    /// <summary>The model that runs, for <c>train()</c>, <c>eval()</c> and its device.</summary>
    nn.Module Module { get; }

    /// <summary>All trainable tensors in a fixed order.</summary>
    IReadOnlyList<TrainableTensor> Trainables { get; }

    /// <summary>Called when a training run begins; the result is disposed at its end. Changes that would pull the tensors away from under the run are refused meanwhile.</summary>
    /// <exception cref="PeftException">The model cannot be trained as it is.</exception>
    IDisposable? BeginTraining() => null;

    /// <summary>Writes what was trained into a folder, atomically file by file.</summary>
    void Save(string folder);

    /// <summary>A term that the method adds to the loss (AdaLoRA's orthogonality); null for none.</summary>
    Tensor? Penalty();

    /// <summary>Called after each optimizer step, for methods that follow a schedule of their own.</summary>
    /// <param name="step">Steps done so far, from 1.</param>
    /// <param name="totalSteps">Steps of the whole run.</param>
    void AfterStep(int step, int totalSteps);

    /// <summary>Paths of adapted modules that no forward pass has reached so far: their owner calls <c>forward</c> instead of <c>call</c>.</summary>
    IReadOnlyList<string> Unreached { get; }

    /// <summary>What a user should know before training: it is logged at the start.</summary>
    IReadOnlyList<string> Warnings => [];

    /// <summary>Learning rate to use when the options give none.</summary>
    double RecommendedLearningRate => 1e-4;

    /// <summary>
    /// Further tensors that training changes, by name and live: a method's statistics, running means. Checkpoints hold them, and resuming
    /// copies them back in place.
    /// </summary>
    IReadOnlyDictionary<string, Tensor> TrainingState => new Dictionary<string, Tensor>();
}
