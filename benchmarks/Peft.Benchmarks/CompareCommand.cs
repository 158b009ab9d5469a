using System.CommandLine;

namespace Peft.Benchmarks;

/// <summary>Compares this library with any other program that does the same.</summary>
internal static class CompareCommand
{
    private static readonly string[] Training = ["stories260k:4:128", "stories260k:16:128", "smollm135m:2:256", "gpt2:4:256"];
    private static readonly string[] Generation = ["stories260k:1:32", "smollm135m:1:32", "smollm135m:8:32", "smollm135m:32:32", "gpt2:1:32", "gpt2:8:32", "gpt2:32:32"];

    public static Command Command()
    {
        var benchmark = new Argument<string>("benchmark") { Description = "train or generate." };
        benchmark.AcceptOnlyFromAmong("train", "generate");
        var peer = new Option<string>("--peer") { Required = true, Description = "Command line of the other program, with {shape}, {batch} and {sequence} in place of their values. The last line that it prints is its tokens per second, or JSON with tokens_per_s and peak_rss_mb." };
        var cases = new Option<string[]>("--case") { DefaultValueFactory = _ => [], AllowMultipleArgumentsPerToken = true, Description = "shape:batch:sequence; those of docs/performance.md by default. The sequence is the length of the prompt in generation." };
        var (runs, ours) = (Measure.Number("--runs", 3), new Option<string>("--ours") { DefaultValueFactory = _ => "", Description = "Further options of this program's command." });
        cases.Validators.Add(result =>
        {
            foreach (var each in result.GetValueOrDefault<string[]>() ?? [])
                if (each.Split(':') is not [var shape, var batch, var sequence] || !Shapes.Names.Contains(shape) || !int.TryParse(batch, out _) || !int.TryParse(sequence, out _))
                    result.AddError($"The case '{each}' must be shape:batch:sequence, with one of the shapes {string.Join(", ", Shapes.Names)}.");
        });
        var command = new Command("compare", "Runs this program and another in turn, and prints a table of their medians.") { benchmark, peer, cases, runs, ours };
        command.SetAction(at =>
        {
            var name = at.GetValue(benchmark)!;
            var comparison = new Comparison(at.GetValue(runs));
            Comparison.PrintHead(name, "this library", "peer");
            foreach (var each in at.GetValue(cases) is { Length: > 0 } given ? given : name == "train" ? Training : Generation)
            {
                var (shape, batch, sequence) = each.Split(':') is [var a, var b, var c] ? (a, b, c) : throw new InvalidOperationException();
                var theirs = at.GetValue(peer)!.Replace("{shape}", shape, StringComparison.Ordinal).Replace("{batch}", batch, StringComparison.Ordinal).Replace("{sequence}", sequence, StringComparison.Ordinal);
                comparison.PrintRow($"{shape} {batch} × {sequence}",
                    () => MeasuredProcess.OfThis($"{name} --shape {shape} --batch {batch} {(name == "train" ? "--seq" : "--prompt")} {sequence} {at.GetValue(ours)}"), () => MeasuredProcess.Of(theirs));
            }
        });
        return command;
    }
}
