using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Saves models as Hugging Face's transformers does.</summary>
public static class ModelSaving
{
    /// <summary>
    /// Saves a model into a folder that <c>FromPretrained</c> and transformers read: <c>config.json</c>, <c>generation_config.json</c> if there is
    /// one, and <c>model.safetensors</c> or its shards. The folder holds the old model or the new one, whole, at any moment, and keeps what it
    /// holds besides. Tied parameters are written once.
    /// </summary>
    /// <param name="model">The model, in the type in which it is to be saved.</param>
    /// <param name="folder">The folder; it is created if need be.</param>
    /// <param name="maxShardBytes">Most bytes of tensors in a file; a larger tensor gets a file of its own.</param>
    /// <param name="labels">Names of a classifier's classes, by class; null leaves those of the configuration.</param>
    /// <exception cref="AdaptersAttachedException">The model has adapters: what it computes is not in its own parameters.</exception>
    /// <exception cref="ArgumentException">There are not as many labels as classes.</exception>
    /// <exception cref="CheckpointException">A file could not be written.</exception>
    public static void SavePretrained(this PretrainedModel model, string folder, long maxShardBytes = 5_000_000_000, IReadOnlyList<string>? labels = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        if (PeftModel.Of(model) is { Adapters.Count: > 0 } peft) throw new AdaptersAttachedException(peft);

        using var scope = NewDisposeScope();
        var tensors = model.named_parameters().Where(each => !model.TiedParameters.Contains(each.name)).ToDictionary(each => model.KeyOf(each.name), each => each.parameter.detach());
        var texts = new Dictionary<string, string>();
        if ((model as LanguageModel)?.GenerationDefaults is { } generation) texts.Add("generation_config.json", generation + "\n");
        texts.Add("config.json", SavedConfig.Of(model, tensors.Values.First(tensor => tensor.is_floating_point()).dtype, labels) + "\n");
        ShardedCheckpointWriter.Write(folder, tensors, maxShardBytes, texts);
    }
}

/// <summary>A model with adapters was to be saved as a plain one.</summary>
public sealed class AdaptersAttachedException : PeftException
{
    internal AdaptersAttachedException(PeftModel peft) : base(
        $"This {peft.Module.GetType().Name} has adapters ({string.Join(", ", peft.Adapters.Keys)}), which SavePretrained would leave out. "
        + "Call MergeAndUnload() first to save them as part of the weights, Unload() to save the model without them, or SaveAdapter(folder) to save them alone.")
    {
    }
}
