using Peft.Models;
using Peft.Quantization;

namespace Peft.Cli;

/// <summary><c>peft quantize</c></summary>
internal static class QuantizeCommand
{
    // Those that a checkpoint of transformers can hold.
    private static readonly string[] Rounded = ["nf4", "nf4_double", "fp4", "fp4_double", "llm_int8"], Calibrated = ["gptq", "awq"];

    public static Command Create(PeftTool tool)
    {
        var model = new ModelFlags();
        var output = OutputFolder.Required("Folder of the quantized model.");
        var kind = new Option<string>("--kind") { Description = $"{string.Join(", ", Rounded)} round; {string.Join(" and ", Calibrated)} are calibrated on samples (--data).", DefaultValueFactory = _ => "nf4" }.AcceptOnly([.. Rounded, .. Calibrated]);
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
            if (Rounded.Contains(chosen))
            {
                if (data.ForRows.Concat([samples, block, group, set]).FirstOrDefault(context.Has) is { } given) throw new ToolException($"{given.Name} is for {string.Join(" and ", Calibrated)}, but --kind is {chosen}: leave it out, or name another kind.");
                using var quantized = CausalLM.FromPretrained(name, Settings.Apply(load, [KeyValuePair.Create("Quantization", chosen)], "--kind"));
                Save(context, quantized, tokenizer, folder, new { Kind = chosen });
                return;
            }
            var rows = DataFiles.Language(data.Rows(context), data.Reading(context, tokenizer, new TextLogger(context)), context.Get(block));
            var options = Settings.Apply<CalibratedOptions>(chosen == "awq" ? QuantizationOptions.Awq(context.Get(group)) : QuantizationOptions.Gptq(groupSize: context.Get(group)), Settings.Split(context.Get(set), "--set"), "--set");
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

    private static void Save(ToolContext context, CausalLM model, Tokenizer tokenizer, string folder, object facts)
    {
        model.SavePretrained(folder);
        tokenizer.Save(folder);
        OutputFolder.Report(context, folder, facts);
    }
}
