using Peft.Models;
using Peft.Quantization;

namespace Peft.Cli;

/// <summary><c>peft quantize</c></summary>
internal static class QuantizeCommand
{
    public static Command Create(PeftTool tool)
    {
        var model = new ModelFlags();
        var output = OutputFolder.Required("Folder of the quantized model.");
        var kind = new Option<string>("--kind") { Description = "nf4, nf4_double, fp4, fp4_double, llm_int8, blockwise and fp8 round; gptq and awq are calibrated on samples.", HelpName = "kind", DefaultValueFactory = _ => "nf4" };
        var data = new DataFlags();
        var samples = new Option<int>("--samples") { Description = "Number of samples.", HelpName = "int", DefaultValueFactory = _ => 128 };
        var block = new Option<int>("--block-size") { Description = "Tokens of a sample of a text file.", HelpName = "int", DefaultValueFactory = _ => 256 };
        var group = new Option<int>("--group-size") { Description = "Inputs that share a scale, for gptq and awq.", HelpName = "int", DefaultValueFactory = _ => 128 };
        var set = new Option<string[]>("--set") { Description = "Any other setting of gptq and awq: --set SkipModules=lm_head,down_proj.", HelpName = "name=value" };
        return tool.Command("quantize", "Quantizes a model's weights and saves it as transformers reads it.", [.. model.All.Where(option => option != model.Quantization), output, kind, .. data.ForRows, samples, block, group, set], context =>
        {
            var folder = OutputFolder.New(context, output);
            var name = model.Name(context);
            var load = model.Load(context);
            var chosen = context.Get(kind)!;
            var tokenizer = Tokenizers.Load(context, name, load);
            if (Calibrated(chosen, context.Get(group)) is not { } calibrated)
            {
                if (context.Get(set) is { Length: > 0 }) throw new ToolException($"--set is for gptq and awq, but --kind is {chosen}.");
                using var quantized = CausalLM.FromPretrained(name, Settings.Apply(load, [KeyValuePair.Create("Quantization", chosen)], "--kind"));
                Save(context, quantized, tokenizer, folder, new { Kind = chosen });
                return;
            }
            var rows = DataFiles.Language(data.Rows(context), tokenizer, context.Get(block), data.MaxLength(context), new TextLogger(context));
            var options = Settings.Apply(calibrated, Settings.Split(context.Get(set), "--set"), "--set");
            using var loaded = CausalLM.FromPretrained(name, load);
            var device = loaded.parameters().First().device;
            List<Batch> batches = [.. Enumerable.Range(0, Math.Min(context.Get(samples), rows.Count)).Chunk(8).Select(chunk => rows.GetBatch(chunk).To(device))];
            try
            {
                var report = loaded.Quantize(options, batches, cancellationToken: context.Cancel);
                context.Note(report.ToString());
                Save(context, loaded, tokenizer, folder, new { Kind = chosen, report.PerplexityBefore, report.PerplexityAfter });
            }
            finally
            {
                foreach (var batch in batches) batch.Dispose();
            }
        });
    }

    private static CalibratedOptions? Calibrated(string kind, int group) => kind.ToUpperInvariant() switch
    {
        "GPTQ" => QuantizationOptions.Gptq(groupSize: group),
        "AWQ" => QuantizationOptions.Awq(group),
        _ => null,
    };

    private static void Save(ToolContext context, CausalLM model, Tokenizer tokenizer, string folder, object facts)
    {
        model.SavePretrained(folder);
        tokenizer.Save(folder);
        OutputFolder.Report(context, folder, facts);
    }
}
