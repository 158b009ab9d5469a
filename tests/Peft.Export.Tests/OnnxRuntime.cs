using Microsoft.ML.OnnxRuntime;
using Peft.Models;
using static TorchSharp.torch;
using TensorElementType = Microsoft.ML.OnnxRuntime.Tensors.TensorElementType;

namespace Peft.Export.Tests;

/// <summary>A graph as ONNX Runtime runs it.</summary>
internal sealed class OnnxRuntime : IDisposable
{
    private readonly InferenceSession session;
    private readonly TransformerSpec spec;

    public OnnxRuntime(string path, PretrainedModel model)
    {
        using var options = new SessionOptions { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        (session, spec) = (new(path, options), model.Spec);
    }

    public void Dispose() => session.Dispose();

    /// <summary>Type of the first output.</summary>
    public TensorElementType Type => session.OutputMetadata[session.OutputNames[^1]].ElementDataType;

    /// <summary>All outputs.</summary>
    public Dictionary<string, Tensor> Run(IReadOnlyDictionary<string, Tensor> values, string? adapter)
    {
        var inputs = values.ToDictionary(each => each.Key, each => Value(each.Value, session.InputMetadata[each.Key].ElementDataType));
        using var options = new RunOptions();
        using var lora = adapter is null ? null : OrtLoraAdapter.Create(adapter, null);
        if (lora is not null) options.AddActiveLoraAdapter(lora);
        using var results = session.Run(options, inputs, session.OutputNames);
        return session.OutputNames.Zip(results).ToDictionary(each => each.First, each => Read(each.Second));
    }

    /// <summary>The first output, with no earlier positions.</summary>
    public Tensor Run(Tensor ids, Tensor mask, string? adapter) => Output(session.OutputNames.First(name => !name.StartsWith("present", StringComparison.Ordinal)), ids, mask, adapter);

    /// <summary>An output, with no earlier positions.</summary>
    public Tensor Output(string name, Tensor ids, Tensor mask, string? adapter) => Run(ids, mask, Empty(ids.shape[0]), adapter)[name];

    /// <summary>The logits of a text that is given in parts, each with what the one before it returned.</summary>
    public Tensor RunInSteps(Tensor ids, Tensor mask, int[] lengths)
    {
        var (start, past, logits) = (0L, Empty(ids.shape[0]), new List<Tensor>());
        foreach (var length in lengths)
        {
            var results = Run(ids.narrow(1, start, length), mask.narrow(1, 0, start + length), past, null);
            logits.Add(results["logits"]);
            past = results.Where(each => each.Key.StartsWith("present", StringComparison.Ordinal)).ToDictionary(each => each.Key.Replace("present", "past_key_values", StringComparison.Ordinal), each => each.Value);
            start += length;
        }
        return cat(logits, 1);
    }

    private Dictionary<string, Tensor> Empty(long batch)
        => session.InputNames.Where(name => name.StartsWith("past_key_values", StringComparison.Ordinal)).ToDictionary(name => name, _ => zeros(batch, spec.KeyValueHeadCount, 0, spec.HeadSize));

    private Dictionary<string, Tensor> Run(Tensor ids, Tensor mask, Dictionary<string, Tensor> past, string? adapter)
    {
        var inputs = new Dictionary<string, Tensor>(past) { ["input_ids"] = ids, ["attention_mask"] = mask };
        if (session.InputNames.Contains("token_type_ids")) inputs["token_type_ids"] = zeros_like(ids);
        return Run(inputs, adapter);
    }

    private static Tensor Read(OrtValue value)
    {
        var info = value.GetTensorTypeAndShape();
        return (info.ElementDataType == TensorElementType.Float16 ? tensor([.. value.GetTensorDataAsSpan<Float16>().ToArray().Select(each => (float)each)]) : tensor(value.GetTensorDataAsSpan<float>().ToArray())).view(info.Shape);
    }

    private static OrtValue Value(Tensor values, TensorElementType type) => type switch
    {
        TensorElementType.Int64 => OrtValue.CreateTensorValueFromMemory(values.contiguous().data<long>().ToArray(), values.shape),
        TensorElementType.Float16 => OrtValue.CreateTensorValueFromMemory(Numbers(values).Select(each => (Float16)each).ToArray(), values.shape),
        _ => OrtValue.CreateTensorValueFromMemory(Numbers(values), values.shape),
    };

    private static float[] Numbers(Tensor values) => values.numel() == 0 ? [] : values.contiguous().data<float>().ToArray();
}
