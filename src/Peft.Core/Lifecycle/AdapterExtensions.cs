using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Applies an adapter of any method to any model.</summary>
public static class AdapterExtensions
{
    /// <summary>Freezes a model and adds an adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="options">Options of the adapter's method.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <exception cref="AdapterExistsException">The model already has adapters.</exception>
    /// <exception cref="AdapterOptionsException">The options are invalid.</exception>
    /// <exception cref="TargetNotFoundException">A name in the options matches no module.</exception>
    public static PeftModel ApplyAdapter(this nn.Module model, AdapterOptions options, string name = PeftModel.DefaultName)
    {
        var peft = new PeftModel(model);
        try
        {
            return peft.Add(name, options);
        }
        catch
        {
            peft.Dispose();   // restores the model
            throw;
        }
    }

    /// <summary>Freezes a model and adds the adapter of any method from a folder.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="folder">A folder with <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <param name="trainable">
    /// True to continue training. False by default, as in Hugging Face PEFT (<c>is_trainable</c>); <see cref="PeftModel.Unfreeze"/> allows it later.
    /// </param>
    /// <param name="logger">Receives <see cref="Adapter.Warnings"/>, such as a base model with another name.</param>
    /// <exception cref="AdapterMismatchException">The adapter does not fit the model.</exception>
    /// <exception cref="Checkpoints.CheckpointException">A file is missing or damaged.</exception>
    public static PeftModel ApplyAdapter(this nn.Module model, string folder, string name = PeftModel.DefaultName, bool trainable = false, ILogger? logger = null)
    {
        var peft = new PeftModel(model);
        try
        {
            peft.LoadAdapter(folder, name, trainable, logger);
            return peft;
        }
        catch
        {
            peft.Dispose();
            throw;
        }
    }
}
