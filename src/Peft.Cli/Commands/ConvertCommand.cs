using TorchSharp;

namespace Peft.Cli;

/// <summary><c>peft convert</c></summary>
internal static class ConvertCommand
{
    public static Command Create(PeftTool tool)
    {
        var model = new ModelFlags();
        var input = new Argument<string>("input") { Description = "The adapter's folder: of Hugging Face PEFT (safetensors or PyTorch's .bin), or of the Adapters library (AdapterHub)." };
        var output = OutputFolder.Required("Folder of the converted adapter.");
        var format = new Option<string>("--to") { Description = "huggingface: Hugging Face PEFT's format, in safetensors; adapterhub: that of the Adapters library, for bottleneck and ReFT adapters; lora: a plain LoRA, of a variant whose initialization changed the base.", DefaultValueFactory = _ => "huggingface" }.AcceptOnly("huggingface", "adapterhub", "lora");
        return tool.Command("convert", "Converts a saved adapter to another format.", [input, output, format, .. model.All], context =>
        {
            var folder = OutputFolder.New(context, output);
            var source = context.Get(input)!;
            var load = model.Load(context);
            var isHub = File.Exists(Path.Combine(source, AdapterHubCheckpoint.FileName));
            if (!isHub && context.Get(format) == "huggingface")
            {
                using var saved = SavedAdapter.Open(source);
                using var scope = torch.NewDisposeScope();
                AdapterCheckpoint.Write(folder, saved.Options, saved.Tensors.Tensors.Keys.ToDictionary(name => name, name => saved.Tensors.Read(name)));
            }
            else
            {
                var name = context.Get(model.Model) ?? (isHub ? throw new ToolException("An adapter of the Adapters library is read for its model: name it by --model.") : LoadedModel.BaseOf(source, load));
                using var pretrained = ModelTask.Of(null, isHub ? null : source, name).Load(name, load);
                using var peft = new PeftModel(pretrained);
                if (isHub) peft.LoadFromAdapterHub(source, PeftModel.DefaultName);
                else peft.LoadAdapter(source);
                switch (context.Get(format))
                {
                    case "adapterhub":
                        peft.SaveToAdapterHub(folder);
                        break;
                    case "lora":
                        if (peft.CheckExport(ExportTarget.Lora) is { Count: > 0 } problems) throw new ToolException($"This adapter cannot become a plain LoRA: {string.Join(' ', problems.Select(context.Translate))}");
                        peft.SaveAsPlainLora(folder);
                        break;
                    default:
                        peft.SaveAdapter(folder, PeftModel.DefaultName);
                        break;
                }
            }
            OutputFolder.Report(context, folder);
        });
    }
}
