using Peft.Checkpoints;
using Peft.Export;
using Peft.Export.Gguf;
using Peft.Models;

namespace Peft;

/// <summary>Exports to GGUF files, which llama.cpp, LLamaSharp, Ollama and others run.</summary>
public static class GgufExtensions
{
    /// <summary>Writes a model to a GGUF file, with its tokenizer. Adapters are merged before (<see cref="PeftModel.MergeAndUnload"/>). Crash-safe.</summary>
    /// <param name="model">The model: Llama, Mistral, Qwen 2 or 3, Gemma 1 to 3, Phi-3, GPT-2 or GPT-NeoX. Quantized weights are dequantized first.</param>
    /// <param name="path">The file.</param>
    /// <param name="tokenizer">The tokenizer, with its chat template; null to leave it out.</param>
    /// <param name="weights">How matrices are stored.</param>
    /// <param name="name">Name of the model in the file; null for that of the file.</param>
    /// <exception cref="ExportException">llama.cpp cannot compute what the model does. The message says what it lacks. Nothing was written.</exception>
    /// <exception cref="AdaptersAttachedException">The model has adapters.</exception>
    /// <exception cref="TokenizerException">llama.cpp has no such tokenizer.</exception>
    /// <exception cref="CheckpointException">The file could not be written.</exception>
    public static void SaveGguf(this PretrainedModel model, string path, Tokenizer? tokenizer, GgufWeights weights = GgufWeights.F16, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (!Enum.IsDefined(weights)) throw new ArgumentOutOfRangeException(nameof(weights), weights, "There are no such weights.");
        model.RequireAlive();
        if (PeftModel.Of(model) is { Adapters.Count: > 0 } peft) throw new AdaptersAttachedException(peft);
        GgufModelExport.Write(model, path, weights, tokenizer, name);
    }

    /// <summary>
    /// Writes an adapter to a GGUF file, which llama.cpp applies to the file of the base model (<c>--lora</c>). Scaling, rank patterns and rank-stabilized scaling are multiplied into the factors. Every
    /// method whose updates are products of two factors can be written: LoRA and its variants, AdaLoRA, VeRA and others. Crash-safe.
    /// </summary>
    /// <param name="peft">The model with the adapter.</param>
    /// <param name="path">The file.</param>
    /// <param name="adapter">Name of the adapter; null for the active one.</param>
    /// <param name="name">Name in the file; null for that of the file.</param>
    /// <exception cref="ExportException">llama.cpp cannot compute what the adapter does. The message says what it lacks. Nothing was written.</exception>
    /// <exception cref="AdapterNotFoundException">There is no such adapter.</exception>
    /// <exception cref="CheckpointException">The file could not be written.</exception>
    public static void SaveGguf(this PeftModel peft, string path, string? adapter = null, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(peft);
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        GgufAdapterExport.Write(ExportedAdapter.Model(peft), ExportedAdapter.Find(peft, adapter), path, name);
    }
}
