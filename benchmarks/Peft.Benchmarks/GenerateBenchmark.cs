using System.CommandLine;
using Peft.Models;

namespace Peft.Benchmarks;

/// <summary>Greedy generation with LoRA adapters, active or merged. Reports the medians of several runs after a warm-up.</summary>
internal static class GenerateBenchmark
{
    public static Command Command()
    {
        var (shape, batch, prompt, added) = (Measure.Shape(), Measure.Number("--batch", 1), Measure.Number("--prompt", 32), Measure.Number("--new", 64));
        var (warmup, runs, adapters) = (Measure.Warmup(), Measure.Number("--runs", 3), Measure.Number("--adapters", 1));
        var (merged, quantization) = (new Option<bool>("--merged"), Measure.Quantization());
        var file = new Option<string?>("--model") { Description = "A model to read instead of one with random weights: a GGUF file or a folder. --shape then only says which modules LoRA adapts." };
        var ragged = new Option<bool>("--ragged") { Description = "Prompts of different lengths, from a quarter of --prompt to all of it." };
        var command = new Command("generate", "New tokens per second.") { shape, batch, prompt, added, adapters, ragged, warmup, runs, merged, quantization, file };
        command.Validators.Add(result =>
        {
            if (result.GetValue(adapters) > 1 && result.GetValue(merged)) result.AddError("Rows with different adapters cannot be merged: leave --merged or --adapters out.");
        });
        command.SetAction(at =>
        {
            var device = Common.Apply(at);
            var memory = new MemoryPhases();
            var (model, peft) = Shapes.Adapted(at.GetValue(shape)!, rank: 8, Measure.Quantization(at.GetValue(quantization)!), device, positions: at.GetValue(prompt) + at.GetValue(added), path: at.GetValue(file));
            var (linear, all) = Shapes.Megabytes(model);
            if (at.GetValue(merged)) peft.MergeAndUnload();
            else if (at.GetValue(adapters) == 0) peft.Unload();
            memory.End("load");
            var prompts = Prompts(at.GetValue(batch), at.GetValue(prompt), at.GetValue(ragged));
            var first = Seconds(model, peft, prompts, 1, at.GetValue(adapters), at.GetValue(warmup), at.GetValue(runs));
            memory.End("prompt");
            var seconds = Seconds(model, peft, prompts, at.GetValue(added), at.GetValue(adapters), at.GetValue(warmup), at.GetValue(runs));
            memory.End("generation");
            Measure.Print(at, new
            {
                benchmark = "generate", shape = at.GetValue(shape), batch = at.GetValue(batch), prompt = at.GetValue(prompt), ragged = at.GetValue(ragged), @new = at.GetValue(added), adapters = at.GetValue(adapters), merged = at.GetValue(merged),
                quantization = at.GetValue(quantization), model = Path.GetFileName(at.GetValue(file)), linear_mb = linear, model_mb = all, seconds = Math.Round(seconds, 3), tokens_per_s = Math.Round(at.GetValue(batch) * at.GetValue(added) / seconds, 1),
                first_token_ms = Math.Round(first * 1000, 2), decode_tokens_per_s = seconds > first ? Math.Round(at.GetValue(batch) * (at.GetValue(added) - 1) / (seconds - first), 1) : (double?)null, peak_rss_mb = memory.Peak, memory_mb = memory.Megabytes,
            });
        });
        return command;
    }

    /// <summary>Prompts of the same or of different lengths.</summary>
    public static IReadOnlyList<int>[] Prompts(int batch, int length, bool ragged = false)
        => [.. Enumerable.Range(0, batch).Select(row => Enumerable.Range(0, ragged ? Math.Max(1, length * (1 + (row * 7 + 3) % 4) / 4) : length).Select(i => 3 + (row + i) % 500).ToArray())];

    /// <summary>The median of the seconds that a generation takes.</summary>
    /// <param name="model">The model.</param>
    /// <param name="peft">Its adapters.</param>
    /// <param name="prompts">The prompts.</param>
    /// <param name="added">Number of new tokens of each row.</param>
    /// <param name="adapters">Number of adapters, which the rows use by turns.</param>
    /// <param name="warmup">Runs before the measurement; null for as many as it takes.</param>
    /// <param name="runs">Runs that are measured.</param>
    public static double Seconds(CausalLM model, PeftModel peft, IReadOnlyList<int>[] prompts, int added, int adapters, int? warmup, int runs)
    {
        for (var i = peft.Adapters.Count; adapters > 1 && i < adapters; i++) peft.Add($"a{i}", peft.Find(PeftModel.DefaultName).Options);
        string[] names = [.. peft.Adapters.Keys.Take(adapters)];   // none if they were merged
        var options = new GenerationOptions { MaxNewTokens = added, MinNewTokens = added };
        return Measure.Seconds(() =>
        {
            using var rows = adapters > 1 ? peft.Rows([.. prompts.Select((_, row) => names[row % names.Length])]) : null;
            model.Generate(prompts, options);
        }, warmup, runs);
    }
}
