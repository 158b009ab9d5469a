using Peft.Models;

namespace Peft.Cli;

/// <summary><c>peft merge</c></summary>
internal static class MergeCommand
{
    public static Command Create(PeftTool tool)
    {
        var loaded = new LoadedModel();
        var output = OutputFolder.Required("Folder of the merged model.");
        var dequantize = new Option<bool>("--dequantize") { Description = "Dequantize the weights first, so that merging rounds nothing." };
        var shard = new Option<long>("--max-shard-bytes") { Description = "Maximum size of a weight file in bytes.", HelpName = "bytes", DefaultValueFactory = _ => 5_000_000_000 };
        return tool.Command("merge", "Merges adapters into the weights, in the order given, and saves a plain model with its tokenizer.", [.. loaded.All, output, dequantize, shard], context =>
        {
            var folder = OutputFolder.New(context, output);
            using var model = loaded.Open(context, several: true);
            if (model.Peft is not { } peft) throw new ToolException("There is nothing to merge: name an adapter by --adapter.");
            string[] names = [.. peft.Adapters.Keys];
            peft.Activate(names);
            peft.MergeAndUnload(safe: true, dequantize: context.Get(dequantize));
            if (peft.MergeErrors.Where(error => error.Relative > MergeError.Bound).MaxBy(error => error.Relative) is { } worst)
                context.Note($"warning: merging into {peft.MergeErrors.Count(error => error.Relative > MergeError.Bound)} quantized weights rounded the adapter's change, at most by {Show.Percent(worst.Relative)} ({worst.Path}): --dequantize keeps all of it.");
            model.Pretrained.SavePretrained(folder, context.Get(shard));
            model.Tokenizer.Save(folder);
            OutputFolder.Report(context, folder, new { Merged = names });
        });
    }
}
