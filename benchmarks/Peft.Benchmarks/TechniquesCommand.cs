using System.CommandLine;

namespace Peft.Benchmarks;

/// <summary>Shows what each technique of <see cref="CpuOptions"/> brings.</summary>
internal static class TechniquesCommand
{
    public static Command Command()
    {
        var measured = new Argument<string>("command") { Description = "The measurement, quoted: \"train --shape gpt2 --batch 4 --seq 256\"." };
        var runs = Measure.Number("--runs", 3);
        var only = new Option<string[]>("--only") { DefaultValueFactory = _ => [], AllowMultipleArgumentsPerToken = true, HelpName = "technique", Description = "Techniques to measure; all by default." };
        only.AcceptOnlyFromAmong([.. Common.Techniques.Keys]);
        var command = new Command("techniques", "Runs a measurement with and without each technique in turn, and prints a table of the medians.") { measured, runs, only };
        command.SetAction(at =>
        {
            var arguments = at.GetValue(measured)!;
            var comparison = new Comparison(at.GetValue(runs));
            Comparison.PrintHead(arguments, "with", "without");
            foreach (var technique in at.GetValue(only) is { Length: > 0 } given ? given : Common.Techniques.Keys)
                comparison.PrintRow(technique, () => MeasuredProcess.OfThis(arguments), () => MeasuredProcess.OfThis($"{arguments} --without {technique}"));
        });
        return command;
    }
}
