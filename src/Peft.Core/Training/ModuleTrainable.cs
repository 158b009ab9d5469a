using Peft.Checkpoints;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Trains all parameters of a module that require a gradient, without adapters. For full and partial fine-tuning.</summary>
/// <param name="module">The module. The caller keeps ownership.</param>
public sealed class ModuleTrainable(nn.Module module) : ITrainable
{
    /// <summary>Name of the file that <see cref="Save"/> writes, in the safetensors format.</summary>
    public const string FileName = "model.safetensors";

    /// <inheritdoc/>
    public nn.Module Module { get; } = module ?? throw new ArgumentNullException(nameof(module));

    /// <inheritdoc/>
    public IReadOnlyList<TrainableTensor> Trainables { get; } =
    [
        .. module.named_parameters()
            .Where(pair => pair.parameter.requires_grad)
            .DistinctBy(pair => pair.parameter.numel() == 0 ? pair.parameter.Handle : TensorAddress.Of(pair.parameter))   // tied weights count once
            .Select(pair => new TrainableTensor(pair.name, pair.parameter)),
    ];

    /// <inheritdoc/>
    public IReadOnlyList<string> Unreached => [];

    /// <summary>The module's buffers, such as the running means of batch normalization.</summary>
    public IReadOnlyDictionary<string, Tensor> TrainingState => Module.named_buffers().ToDictionary(pair => pair.name, pair => pair.buffer);

    /// <summary>Writes the trainable tensors to <see cref="FileName"/> in a folder.</summary>
    public void Save(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        var path = Path.Combine(folder, FileName);
        SafetensorsWriter.Write(path, Trainables.ToDictionary(tensor => tensor.Name, Tensor (tensor) => tensor.Value));
    }

    /// <inheritdoc/>
    public Tensor? Penalty() => null;

    /// <inheritdoc/>
    public void AfterStep(int step, int totalSteps) { }
}
