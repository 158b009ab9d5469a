using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models.Gguf;

/// <summary>Puts the rows of a GGUF tensor into the order that Hugging Face has.</summary>
internal static class GgufRows
{
    /// <summary>For each row of the model the row of the file; null if the order is the same.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tensor">Name of the tensor in the file.</param>
    /// <param name="rows">Number of rows.</param>
    public static Tensor? Order(PretrainedModel model, string tensor, long rows)
    {
        var size = (long)model.Spec.HeadSize;
        if (size < 1 || rows % size != 0) return null;
        // llama.cpp rotates neighbours in Llama, and Hugging Face halves.
        if (model.ModelType is "llama" or "mistral" && (tensor.Contains(".attn_q.", StringComparison.Ordinal) || tensor.Contains(".attn_k.", StringComparison.Ordinal)) && size % 2 == 0)
            return arange(Constant(0), Constant(rows), One).to_type(ScalarType.Int64).view(-1, size / 2, 2).transpose(1, 2).reshape(-1);
        // GPT-NeoX: query, key and value of a head after another become all queries, all keys, all values.
        if (model.ModelType == "gpt_neox" && tensor.Contains(".attn_qkv.", StringComparison.Ordinal) && rows % (3 * size) == 0)
            return arange(Constant(0), Constant(rows), One).to_type(ScalarType.Int64).view(3, -1, size).transpose(0, 1).reshape(-1);
        return null;
    }
}
