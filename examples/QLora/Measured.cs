using System.Diagnostics;
using System.Globalization;
using Examples;
using Peft;
using Peft.Models;
using static TorchSharp.torch;

namespace QLora;

/// <summary>The estimates beside what a process really takes: models of real sizes with random weights, each precision in a process of its own.</summary>
internal static class Measured
{
    private const int Tokens = FineTuning.Rows * FineTuning.Length;

    private static readonly (string Name, ModelConfig Config)[] Known =
    [
        ("135M (SmolLM)", ModelConfig.Parse("""
            {"model_type": "llama", "hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536, "vocab_size": 49152, "max_position_embeddings": 2048, "tie_word_embeddings": true}
            """)),
        ("360M (SmolLM2)", ModelConfig.Parse("""
            {"model_type": "llama", "hidden_size": 960, "num_hidden_layers": 32, "num_attention_heads": 15, "num_key_value_heads": 5, "intermediate_size": 2560, "vocab_size": 49152, "max_position_embeddings": 8192, "tie_word_embeddings": true}
            """)),
    ];

    /// <summary>Saves the models, measures each in a child process and makes a table.</summary>
    /// <param name="folder">Folder for the models, which are large; it is deleted.</param>
    public static ResultsTable Table(string folder)
    {
        var rows = new List<string[]>();
        foreach (var (name, config) in Known)
        {
            var saved = Path.Combine(folder, name.Split(' ')[0]);
            using (var model = CausalLM.FromConfig(config)) model.SavePretrained(saved);
            foreach (var precision in Precision.Offered)
            {
                var estimate = new Candidate(saved, config).Needs(precision, Tokens);
                var (loaded, peak) = InChild(saved, precision.Name);
                rows.Add([name, precision.Name, ProcessMemory.Show(estimate.Weights), ProcessMemory.Show(loaded), ProcessMemory.Show(estimate.Total), ProcessMemory.Show(peak)]);
            }
            Directory.Delete(saved, recursive: true);
        }
        return new(["model", "weights", "estimate", "measured", "training: estimate", "measured"], rows);
    }

    /// <summary>The child: loads a model, trains two steps, and prints what both added to the process.</summary>
    public static void Report(string folder, string precision)
    {
        var start = ProcessMemory.Now;
        using var model = CausalLM.FromPretrained(folder, Precision.All.Single(each => each.Name == precision).Load);
        var loaded = ProcessMemory.Now - start;
        model.CheckpointActivations = true;
        using var peft = model.ApplyAdapter(Candidate.Adapter);
        var random = new Random(0);
        var data = TrainingDataset.From(4 * FineTuning.Rows, rows =>
        {
            var ids = tensor(rows.SelectMany(_ => Enumerable.Range(0, FineTuning.Length).Select(_ => random.NextInt64(1000))).ToArray(), [rows.Count, FineTuning.Length]);
            return new() { InputIds = ids, Labels = ids.clone(), Weight = rows.Count * (FineTuning.Length - 1) };
        });
        new Trainer(peft, data, new() { MaxSteps = 2, BatchSize = FineTuning.Rows }).Train();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{loaded} {ProcessMemory.Peak - start}"));
    }

    private static (long Loaded, long Peak) InChild(string folder, string precision)
    {
        using var child = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [.. Environment.GetCommandLineArgs()[0] is { } program && program.EndsWith(".dll", StringComparison.Ordinal) && !Environment.ProcessPath!.Contains("QLora", StringComparison.Ordinal) ? [program] : Array.Empty<string>(), "--measure", folder, precision]) { RedirectStandardOutput = true })!;
        var lines = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        if (child.ExitCode != 0) throw new InvalidOperationException($"The measurement of {precision} ended with {child.ExitCode}: {lines}");
        var numbers = lines.Trim().Split('\n')[^1].Split(' ').Select(number => long.Parse(number, CultureInfo.InvariantCulture)).ToArray();
        return (numbers[0], numbers[1]);
    }
}
