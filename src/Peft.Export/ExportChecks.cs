using Peft.Export;
using Peft.Export.Gguf;
using Peft.Export.Onnx;
using Peft.Lora;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Checks before an export what its target does not support.</summary>
public static class ExportChecks
{
    // Methods of this library that Hugging Face PEFT lacks.
    private static readonly HashSet<string> OwnMethods = ["ADAPTER_FUSION", "BITFIT", "BOTTLENECK", "FULL", "GATED_LORA", "PARTIAL", "REFT", "UNION"];

    /// <summary>The reasons that an adapter cannot be exported to a target, each with a remedy; empty if it can.</summary>
    /// <param name="peft">The model with the adapter.</param>
    /// <param name="target">The target.</param>
    /// <param name="adapter">Name of the adapter; null for the active one.</param>
    /// <param name="options">Limits of the runtime, and the dtype; the defaults if null.</param>
    /// <exception cref="ExportException">No name is given, and not exactly one adapter is active.</exception>
    /// <exception cref="AdapterNotFoundException">There is no such adapter.</exception>
    public static IReadOnlyList<string> CheckExport(this PeftModel peft, ExportTarget target, string? adapter = null, ExportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(peft);
        var found = ExportedAdapter.Find(peft, adapter);
        if (target == ExportTarget.HuggingFace) return [.. Missing(found.Options)];
        if (target == ExportTarget.Lora) return [.. PlainLora.Problems(found, "readers of plain LoRA")];
        if (target == ExportTarget.Merged) return [.. Merged(found)];
        if (peft.Module is not PretrainedModel model) return [$"the architecture of a {peft.Module.GetType().Name} is unknown: only pretrained models are exported."];
        return [.. target switch
        {
            ExportTarget.Vllm => VllmLimits.Problems(found, model, options ?? new()),
            ExportTarget.GgufAdapter => GgufAdapterExport.Problems(model, found),
            ExportTarget.Gguf => [.. Merged(found), .. OfModel(model, target, options)],
            ExportTarget.OnnxAdapter => [.. LowRankUpdates.Problems(found, takesWhole: true), .. OfModel(model, target, options)],
            ExportTarget.OnnxGenAI => [.. LowRankUpdates.Problems(found, takesWhole: true), .. OfModel(model, target, options)],
            ExportTarget.Onnx => [.. Merged(found), .. OfModel(model, target, options)],
            _ => throw new ArgumentOutOfRangeException(nameof(target), target, "There is no such target."),
        }];
    }

    /// <summary>The reasons that a model without an adapter cannot be exported to a target, each with a remedy; empty if it can.</summary>
    /// <param name="model">The model.</param>
    /// <param name="target">The target.</param>
    /// <param name="options">The dtype; float32 if null.</param>
    /// <exception cref="ArgumentException">The target is an adapter's.</exception>
    public static IReadOnlyList<string> CheckExport(this PretrainedModel model, ExportTarget target, ExportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        return [.. OfModel(model, target, options)];
    }

    private static IEnumerable<string> OfModel(PretrainedModel model, ExportTarget target, ExportOptions? options) => target switch
    {
        ExportTarget.Merged => [],
        ExportTarget.Gguf => GgufArchitecture.Problems(model),
        ExportTarget.Onnx or ExportTarget.OnnxAdapter => OnnxModels.Problems(model, OnnxValues.Dtype(options)),
        ExportTarget.OnnxGenAI => [.. OnnxGenAI.Problems(model), .. OnnxModels.Problems(model, OnnxValues.Dtype(options))],
        _ => throw new ArgumentException($"{target} is for adapters, and this is a model without one: apply an adapter, or choose another target.", nameof(target)),
    };

    private static IEnumerable<string> Missing(AdapterOptions options)
    {
        if (OwnMethods.Contains(options.PeftType)) yield return $"Hugging Face PEFT has no method {options.PeftType}. Merge the adapter (MergeAndUnload), and save the model (SavePretrained).";
        if (options is PrefixTuningOptions { UseGating: true }) yield return "Hugging Face PEFT's prefix tuning has no gates (use_gating), and would use the prefix in full. Train it without UseGating.";
    }

    private static IEnumerable<string> Merged(Adapter adapter)
    {
        if (adapter.Prompt is not null) yield return $"{adapter.Options.PeftType} has virtual tokens, which cannot be merged into weights.";
        if (adapter.Options is IReplicatesLayers { LayerOrder: not null }) yield return $"{adapter.Options.PeftType} runs the model's layers in another order (layer_replication), which a merged model does not.";
        // One layer of each kind is enough.
        foreach (var layer in adapter.Layers.DistinctBy(layer => (layer.GetType(), layer.Target.Bias is null)))
            if (MergeProblem(layer, adapter.Options.PeftType) is { } problem) yield return problem;
    }

    private static string? MergeProblem(AdapterLayer layer, string method)
    {
        using var scope = NewDisposeScope();
        using var gradients = no_grad();
        return layer.Merge(new(layer.Target.ReadMatrix(), layer.Target.Bias)) switch
        {
            null => $"{layer.GetType().Name} of {method} cannot be merged into weights.",
            { Bias: not null } when layer.Target.Bias is null => $"{layer.Target.Path} has no bias that the adapter's could be merged into.",
            _ => null,
        };
    }
}
