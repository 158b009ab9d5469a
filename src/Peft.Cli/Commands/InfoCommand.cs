using Peft.Models;
using TorchSharp;

namespace Peft.Cli;

/// <summary><c>peft info</c></summary>
internal static class InfoCommand
{
    public static Command Create(PeftTool tool)
    {
        var model = new ModelFlags();
        var path = new Argument<string>("path") { Description = "An adapter: its folder, or its id on the hub; or a model: its folder, or its GGUF file." };
        var drift = new Option<bool>("--drift") { Description = "Load the base model, and measure ‖ΔW‖/‖W‖ and the singular values of each layer." };
        return tool.Command("info", "Describes an adapter (method, targets, sizes, norms, drift per layer) or a model.", [path, drift, .. model.All], context =>
        {
            var source = context.Get(path)!;
            var load = model.Load(context);
            if (source.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase))
            {
                using var loaded = CausalLM.FromPretrained(source, load);
                Model(context, source, loaded);
            }
            else if (!Directory.Exists(source) || File.Exists(Path.Combine(source, "adapter_config.json")) || !File.Exists(Path.Combine(source, "config.json"))) Adapter(context, source, load, context.Get(drift) ? context.Get(model.Model) ?? LoadedModel.BaseOf(source, load) : null);
            else
            {
                var config = ModelConfig.FromFolder(source);
                using var described = Empty(config, new() { Device = new torch.Device(DeviceType.META) });
                Model(context, source, described);
            }
        });
    }

    private static void Adapter(ToolContext context, string source, LoadOptions load, string? baseModel)
    {
        using var saved = SavedAdapter.Open(LoadedModel.Folder(source, load));
        using var scope = torch.NewDisposeScope();
        var tensors = saved.Tensors.Tensors.Values.OrderBy(tensor => tensor.Name, StringComparer.Ordinal)
            .Select(tensor => new { tensor.Name, tensor.Shape, Type = tensor.TypeName, tensor.ByteLength, Norm = Norm(saved.Tensors.Read(tensor.Name)) }).ToList();
        var updates = baseModel is null ? null : Updates(saved.Folder, baseModel, load);
        var settings = System.Text.Json.Nodes.JsonNode.Parse(AdapterConfig.Write(saved.Options))!.AsObject();
        var parameters = tensors.Sum(tensor => tensor.Shape.Aggregate(1L, (product, size) => product * size));
        context.Result(new
        {
            saved.Folder,
            Method = saved.Options.PeftType,
            BaseModel = saved.Options.BaseModelNameOrPath,
            Parameters = parameters,
            Bytes = tensors.Sum(tensor => tensor.ByteLength),
            Settings = settings,
            Tensors = tensors,
            Layers = updates,
        }, console =>
        {
            console.Fields([("adapter", saved.Folder), ("method", saved.Options.PeftType), ("base model", saved.Options.BaseModelNameOrPath), ("task", saved.Options.TaskType), ("parameters", Show.Count(parameters)), ("size", Show.Bytes(tensors.Sum(tensor => tensor.ByteLength))),
                .. Given(saved.Options, settings).Select(setting => (setting.Key, (object?)setting.Value))]);
            if (updates is null) console.Rows(["tensor", ">shape", ">norm"], tensors.Select(tensor => (string?[])[tensor.Name, $"[{string.Join(", ", tensor.Shape)}]", Show.Number(tensor.Norm)]));
            else
                console.Rows(["module", ">parameters", ">‖ΔW‖", ">drift", ">σ₁", ">stable rank"], updates.Select(update => (string?[])[update.Path, Show.Count(update.Parameters), update.UpdateNorm is { } norm ? Show.Number(norm) : "–",
                    update.Drift is { } share ? Show.Percent(share) : "–", update.SingularValues is [var first, ..] ? Show.Number(first) : "–", update.StableRank is { } rank ? Show.Number(rank) : "–"]));
        });
    }

    private static IReadOnlyList<LayerUpdate> Updates(string folder, string baseModel, LoadOptions load)
    {
        using var model = ModelTask.Of(null, folder, baseModel).Load(baseModel, load);
        using var peft = model.ApplyAdapter(folder);
        return peft.Updates(singularValues: true);
    }

    // The settings that are not the method's defaults.
    private static IEnumerable<KeyValuePair<string, string>> Given(AdapterOptions options, System.Text.Json.Nodes.JsonObject settings)
    {
        var defaults = System.Text.Json.Nodes.JsonNode.Parse(AdapterConfig.Write((AdapterOptions)Activator.CreateInstance(options.GetType())!))!.AsObject();
        string[] shown = ["peft_type", "task_type", "base_model_name_or_path", "peft_version", "inference_mode"];
        return settings.Where(setting => !shown.Contains(setting.Key) && setting.Value?.ToJsonString() != defaults[setting.Key]?.ToJsonString()).Select(setting => KeyValuePair.Create(setting.Key, setting.Value?.ToJsonString() ?? "null"));
    }

    private static double Norm(torch.Tensor tensor) => tensor.is_floating_point() ? tensor.to_type(torch.ScalarType.Float64).norm().item<double>() : double.NaN;

    private static void Model(ToolContext context, string source, PretrainedModel model)
    {
        var (spec, config) = (model.Spec, model.Config);
        var parameters = model.parameters().Distinct().Sum(parameter => parameter.numel());
        context.Result(new { Folder = source, config.ModelType, Parameters = parameters, Layers = spec.LayerCount, spec.HiddenSize, spec.IntermediateSize, Heads = spec.HeadCount, KeyValueHeads = spec.KeyValueHeadCount, spec.VocabularySize },
            console => console.Fields(("model", source), ("architecture", config.ModelType), ("parameters", Show.Count(parameters)), ("layers", spec.LayerCount), ("hidden size", spec.HiddenSize), ("feed-forward size", spec.IntermediateSize),
                ("heads", spec.HeadCount == spec.KeyValueHeadCount ? spec.HeadCount : $"{spec.HeadCount} ({spec.KeyValueHeadCount} of keys and values)"), ("vocabulary", Show.Count(spec.VocabularySize)),
                ("memory in float32", Show.Bytes(parameters * 4.0)), ("memory in bfloat16", Show.Bytes(parameters * 2.0))));
    }

    // With the head that the weights are for, by the name of the model's class in transformers.
    private static PretrainedModel Empty(ModelConfig config, LoadOptions options) => ((string?)config["architectures"]?.AsArray().FirstOrDefault() ?? "") switch
    {
        var name when name.EndsWith("ForSequenceClassification", StringComparison.Ordinal) => SequenceClassifier.FromConfig(config, options: options),
        var name when name.EndsWith("ForTokenClassification", StringComparison.Ordinal) => TokenClassifier.FromConfig(config, options: options),
        var name when name.EndsWith("ForQuestionAnswering", StringComparison.Ordinal) => QuestionAnswerer.FromConfig(config, options: options),
        _ => new ModelRegistry().Describe(config).Kind switch
        {
            TransformerKind.Decoder => CausalLM.FromConfig(config, options: options),
            TransformerKind.Encoder => MaskedLM.FromConfig(config, options: options),
            _ => Seq2SeqLM.FromConfig(config, options: options),
        },
    };
}
