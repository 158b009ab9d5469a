namespace Peft;

/// <summary>What an adapter or a model can be exported to.</summary>
public enum ExportTarget
{
    /// <summary>An adapter folder of Hugging Face PEFT (<c>SaveAdapter</c>).</summary>
    HuggingFace,

    /// <summary>An adapter folder that vLLM loads (<c>--lora-modules</c>).</summary>
    Vllm,

    /// <summary>A GGUF file of an adapter (<c>peft.SaveGguf</c>).</summary>
    GgufAdapter,

    /// <summary>A GGUF file of the model with the adapter merged (<c>model.SaveGguf</c>).</summary>
    Gguf,

    /// <summary>An ONNX graph with adapters as inputs, and <c>.onnx_adapter</c> files (<c>peft.SaveOnnx</c>, <c>peft.SaveOnnxAdapter</c>).</summary>
    OnnxAdapter,

    /// <summary>An ONNX graph of the model with the adapter merged (<c>model.SaveOnnx</c>).</summary>
    Onnx,

    /// <summary>A checkpoint of the model with the adapter merged (<c>model.SavePretrained</c>).</summary>
    Merged,

    /// <summary>An adapter folder of a plain LoRA, which any reader of LoRA can apply to the unchanged base model (<c>SaveAsPlainLora</c>).</summary>
    Lora,

    /// <summary>A folder for ONNX Runtime GenAI, with adapters as inputs (<c>SaveOnnxGenAI</c>).</summary>
    OnnxGenAI,
}
