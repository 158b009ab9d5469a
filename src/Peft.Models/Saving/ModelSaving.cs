using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Saves models in the format of Hugging Face's transformers.</summary>
public static class ModelSaving
{
    /// <summary>
    /// Saves a model to a folder that <c>FromPretrained</c> and transformers can load: <c>config.json</c>, <c>generation_config.json</c> if there is
    /// one, and <c>model.safetensors</c> or its shards. Crash-safe: at any time the folder contains either the old or the new model. Other files are
    /// kept. Tied parameters are written once.
    /// </summary>
    /// <param name="model">The model, in the dtype to save.</param>
    /// <param name="folder">The folder, which is created if necessary.</param>
    /// <param name="maxShardBytes">Maximum number of bytes of tensors per file. A larger tensor gets a separate file.</param>
    /// <param name="labels">Names of a classifier's classes in order; null for those of the configuration.</param>
    /// <exception cref="Quantization.QuantizationException">The model has quantized weights in a format that transformers does not read.</exception>
    /// <exception cref="AdaptersAttachedException">The model has adapters, which are not part of its own parameters.</exception>
    /// <exception cref="ArgumentException">The number of labels differs from the number of classes.</exception>
    /// <exception cref="CheckpointException">A file could not be written.</exception>
    public static void SavePretrained(this PretrainedModel model, string folder, long maxShardBytes = 5_000_000_000, IReadOnlyList<string>? labels = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        model.RequireAlive();
        if (PeftModel.Of(model) is { Adapters.Count: > 0 } peft) throw new AdaptersAttachedException(peft);

        using var scope = NewDisposeScope();
        var tensors = model.named_parameters().Where(each => !model.TiedParameters.Contains(each.name)).ToDictionary(each => model.KeyOf(each.name), each => each.parameter.detach());
        var type = tensors.Values.First(tensor => tensor.is_floating_point()).dtype;
        var quantization = QuantizedSaving.Add(model, tensors);
        var texts = new Dictionary<string, string>();
        if ((model as LanguageModel)?.GenerationDefaults is { } generation) texts.Add("generation_config.json", generation + "\n");
        texts.Add("config.json", SavedConfig.Of(model, type, labels, quantization) + "\n");
        ShardedCheckpointWriter.Write(folder, tensors, maxShardBytes, texts);
    }
}
