using Peft.Models;

namespace Peft.Cli;

/// <summary><c>peft export</c></summary>
internal static class ExportCommand
{
    public static Command Create(PeftTool tool)
    {
        var loaded = new LoadedModel();
        var output = OutputFolder.Required("Folder of the exported files.");
        var format = new Option<string>("--format") { Description = "lora: a plain LoRA, which vLLM and Hugging Face PEFT apply to the unchanged base model; merged: a model for any program that reads Hugging Face's format; adapter: the adapter as it is; gguf: a merged model for llama.cpp; gguf_lora: an adapter for llama.cpp.", DefaultValueFactory = _ => "lora" }.AcceptOnly("lora", "merged", "adapter", "gguf", "gguf_lora");
        var weights = new Option<string>("--weights") { Description = "Values of a GGUF model.", DefaultValueFactory = _ => "F16" }.AcceptOnly(Enum.GetNames<GgufWeights>());
        return tool.Command("export", "Exports an adapter for other programs.", [.. loaded.All, output, format, weights], context =>
        {
            var folder = OutputFolder.New(context, output);
            using var model = loaded.Open(context);
            if (model.Peft is not { } peft) throw new ToolException("There is nothing to export: name an adapter by --adapter.");
            if (peft.Adapters.Count > 1) throw new ToolException("One adapter is exported at a time: `peft combine` makes one of several.");
            var name = peft.Adapters.Keys.Single();
            if (name != PeftModel.DefaultName) peft.Rename(name, PeftModel.DefaultName);   // so that the files lie in the folder itself
            switch (context.Get(format))
            {
                case "lora":
                    peft.SaveAsPlainLora(folder);
                    break;
                case "adapter":
                    peft.SaveAdapter(folder);
                    break;
                case "gguf":
                    peft.MergeAndUnload(safe: true);
                    Directory.CreateDirectory(folder);
                    model.Model.SaveGguf(Path.Combine(folder, "model.gguf"), model.Tokenizer, Enum.Parse<GgufWeights>(context.Get(weights)!));
                    break;
                case "gguf_lora":
                    Directory.CreateDirectory(folder);
                    peft.SaveGguf(Path.Combine(folder, "adapter.gguf"));
                    break;
                default:
                    peft.MergeAndUnload(safe: true);
                    model.Model.SavePretrained(folder);
                    model.Tokenizer.Save(folder);
                    break;
            }
            OutputFolder.Report(context, folder);
        });
    }
}
