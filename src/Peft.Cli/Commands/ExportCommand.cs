using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Cli;

/// <summary><c>peft export</c></summary>
internal static class ExportCommand
{
    private static readonly Dictionary<string, ExportTarget> Formats = new()
    {
        ["adapter"] = ExportTarget.HuggingFace,
        ["lora"] = ExportTarget.Lora,
        ["vllm"] = ExportTarget.Vllm,
        ["merged"] = ExportTarget.Merged,
        ["gguf"] = ExportTarget.Gguf,
        ["gguf_lora"] = ExportTarget.GgufAdapter,
        ["onnx"] = ExportTarget.OnnxAdapter,
        ["onnx_adapter"] = ExportTarget.OnnxAdapter,
        ["genai"] = ExportTarget.OnnxGenAI,
    };

    // The formats that a model without an adapter has too.
    private static readonly HashSet<string> OfModels = ["merged", "gguf", "onnx", "genai"];

    public static Command Create(PeftTool tool)
    {
        var loaded = new LoadedModel();
        var output = new Option<string>("--output", "-o") { Description = "Folder of the exported files.", HelpName = "folder" };
        var format = new Option<string>("--format") { Description = "adapter: as it is; lora: a plain LoRA for the unchanged base model; vllm: the same, checked for vLLM; merged: a model in Hugging Face's format; gguf and gguf_lora: a merged model and an adapter for llama.cpp; onnx and onnx_adapter: a graph with the adapter as input, and the adapter alone, for ONNX Runtime; genai: a folder for ONNX Runtime GenAI. These three are in float16 with --dtype float16.", DefaultValueFactory = _ => "lora" }.AcceptOnly([.. Formats.Keys]);
        var weights = new Option<string>("--weights") { Description = "Values of a GGUF model.", DefaultValueFactory = _ => "F16" }.AcceptOnly(Enum.GetNames<GgufWeights>());
        var maxRank = new Option<int?>("--max-rank") { Description = "The rank that vLLM is started with (--max-lora-rank).", HelpName = "int" };
        var check = new Option<bool>("--check") { Description = "Only say whether the target can take the adapter, or the model; ends with 1 if not." };
        return tool.Command("export", "Exports an adapter, or a model, for other programs, after a check of what they can take.", [.. loaded.All, output, format, weights, maxRank, check], context =>
        {
            var folder = context.Get(check) ? "" : context.Get(output) is null ? throw new ToolException("Where to? Name a folder by --output, or only --check.") : OutputFolder.New(context, output);
            using var model = loaded.Open(context);
            var (peft, target) = (model.Peft, context.Get(format)!);
            if (peft is null && !OfModels.Contains(target)) throw new ToolException("There is nothing to export: name an adapter by --adapter.");
            if (peft?.Adapters.Keys.Single() is { } name && name != PeftModel.DefaultName) peft.Rename(name, PeftModel.DefaultName);   // so that the files lie in the folder itself
            var options = new ExportOptions { Dtype = model.Pretrained.parameters().Any(parameter => parameter.dtype == ScalarType.Float16) ? ScalarType.Float16 : ScalarType.Float32 };
            if (context.Get(maxRank) is { } rank) options = options with { MaxRank = rank };
            List<string> problems = [.. (peft?.CheckExport(Formats[target], options: options) ?? model.Pretrained.CheckExport(Formats[target], options)).Select(context.Translate)];
            if (context.Get(check))
            {
                context.Code = problems.Count == 0 ? ExitCode.Success : ExitCode.Refused;
                context.Result(new { Format = target, Ok = problems.Count == 0, Problems = problems }, console => console.Fields(problems.Count == 0 ? [(target, peft is null ? "can take the model" : "can take the adapter")] : [.. problems.Select(problem => (target, (object?)problem))]));
                return;
            }
            if (problems.Count > 0) throw new ToolException($"The format {target} cannot take {(peft is null ? "the model" : "the adapter")}: {string.Join(' ', problems)}");
            Directory.CreateDirectory(folder);
            try
            {
                Write(model, folder, target, Enum.Parse<GgufWeights>(context.Get(weights)!), options);
            }
            catch (PeftException)
            {
                if (!Directory.EnumerateFileSystemEntries(folder).Any()) Directory.Delete(folder);
                throw;
            }
            OutputFolder.Report(context, folder);
        });
    }

    private static void Write(LoadedModel model, string folder, string format, GgufWeights weights, ExportOptions options)
    {
        var (graph, adapter) = (Path.Combine(folder, "model.onnx"), Path.Combine(folder, "adapter.onnx_adapter"));
        switch (format, model.Peft)
        {
            case ("adapter", { } peft):
                peft.SaveAdapter(folder);
                break;
            case ("lora" or "vllm", { } peft):
                peft.SaveAsPlainLora(folder);
                break;
            case ("gguf", var peft):
                peft?.MergeAndUnload(safe: true);
                model.Model.SaveGguf(Path.Combine(folder, "model.gguf"), model.Tokenizer, weights);
                break;
            case ("gguf_lora", { } peft):
                peft.SaveGguf(Path.Combine(folder, "adapter.gguf"));
                break;
            case ("onnx", { } peft):
                peft.SaveOnnx(graph, options: options);
                peft.SaveOnnxAdapter(adapter, options: options);
                break;
            case ("onnx", _):
                model.Pretrained.SaveOnnx(graph, options: options);
                break;
            case ("onnx_adapter", { } peft):
                peft.SaveOnnxAdapter(adapter, options: options);
                break;
            case ("genai", { } peft):
                peft.SaveOnnxGenAI(folder, model.Tokenizer, options);
                break;
            case ("genai", _):
                model.Model.SaveOnnxGenAI(folder, model.Tokenizer, options);
                break;
            case (_, var peft):
                peft?.MergeAndUnload(safe: true);
                model.Pretrained.SavePretrained(folder);
                model.Tokenizer.Save(folder);
                break;
        }
    }
}
