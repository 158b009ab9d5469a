using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models.Gguf;

/// <summary>The order in which Hugging Face has the rows of a GGUF tensor.</summary>
internal static class GgufRows
{
    /// <summary>The index in the file of each row of the model; null if the order is the same.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tensor">Name of the tensor in the file.</param>
    /// <param name="rows">Number of rows.</param>
    public static Tensor? Order(PretrainedModel model, string tensor, long rows)
    {
        var size = (long)model.Spec.HeadSize;
        if (size < 1 || rows % size != 0) return null;
        // In Llama, llama.cpp rotates adjacent values, Hugging Face the two halves of a head.
        if (model.ModelType is "llama" or "mistral" && (tensor.Contains(".attn_q.", StringComparison.Ordinal) || tensor.Contains(".attn_k.", StringComparison.Ordinal)) && size % 2 == 0)
            return arange(Constant(0), Constant(rows), One).to_type(ScalarType.Int64).view(-1, size / 2, 2).transpose(1, 2).reshape(-1);
        // GPT-NeoX: the file has all queries, all keys, all values; the model query, key and value of each head.
        if (model.ModelType == "gpt_neox" && tensor.Contains(".attn_qkv.", StringComparison.Ordinal) && rows % (3 * size) == 0)
            return arange(Constant(0), Constant(rows), One).to_type(ScalarType.Int64).view(3, -1, size).transpose(0, 1).reshape(-1);
        return null;
    }
}
