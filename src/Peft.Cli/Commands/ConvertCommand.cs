using System.Globalization;
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
        var format = new Option<string>("--to") { Description = "huggingface: Hugging Face PEFT's format, in safetensors; adapterhub: that of the Adapters library, for bottleneck and ReFT adapters; lora: a plain LoRA, of a variant of LoRA, or with --rank or --energy an approximation of any method.", DefaultValueFactory = _ => "huggingface" }.AcceptOnly("huggingface", "adapterhub", "lora");
        var rank = new Option<int?>("--rank", "-r") { Description = "Largest rank of the LoRA that approximates the adapter.", HelpName = "int" };
        var energy = new Option<double?>("--energy") { Description = "Part of the squared singular values of each update that the LoRA keeps; all of them by default.", HelpName = "0…1" };
        return tool.Command("convert", "Converts a saved adapter to another format.", [input, output, format, rank, energy, .. model.All], context =>
        {
            var folder = OutputFolder.New(context, output);
            var approximates = context.Get(rank) is not null || context.Get(energy) is not null;
            if (approximates && context.Get(format) != "lora") throw new ToolException($"--{(context.Get(rank) is not null ? "rank" : "energy")} is of the LoRA that approximates an adapter: use --to lora.");
            IReadOnlyList<ConvertedModule>? approximated = null;
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
                    case "lora" when approximates:
                        approximated = Approximate(peft, folder, context.Get(rank), context.Get(energy) ?? 1);
                        break;
                    case "lora":
                        if (peft.CheckExport(ExportTarget.Lora) is { Count: > 0 } problems) throw new ToolException($"This adapter cannot become a plain LoRA: {string.Join(' ', problems.Select(context.Translate))} With --rank or --energy, it is approximated.");
                        peft.SaveAsPlainLora(folder);
                        break;
                    default:
                        peft.SaveAdapter(folder, PeftModel.DefaultName);
                        break;
                }
            }
            if (approximated?.MaxBy(each => each.Error) is not { } worst) OutputFolder.Report(context, folder);
            else
                OutputFolder.Report(context, folder, approximated,
                    ("largest error", $"{worst.Error.ToString("P1", CultureInfo.InvariantCulture)} of the update of {worst.Path}"), ("largest rank", approximated.Max(each => each.Rank)));
        });
    }

    private static IReadOnlyList<ConvertedModule> Approximate(PeftModel peft, string folder, int? rank, double energy)
    {
        const string lora = "converted-to-lora";
        var modules = peft.ConvertToLora(PeftModel.DefaultName, lora, rank, energy);
        peft.Delete(PeftModel.DefaultName);
        peft.Rename(lora, PeftModel.DefaultName);
        peft.SaveAdapter(folder, PeftModel.DefaultName);
        return modules;
    }
}
