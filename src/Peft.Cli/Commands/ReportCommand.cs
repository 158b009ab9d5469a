using Peft.Report;

namespace Peft.Cli;

/// <summary><c>peft report</c></summary>
internal static class ReportCommand
{
    public static Command Create(PeftTool tool)
    {
        var runs = new Argument<string[]>("runs") { Description = "Folders of runs, or their logs (.jsonl): of one, its page; of several, a comparison.", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--output", "-o") { Description = "The page.", HelpName = "file.html", DefaultValueFactory = _ => "report.html" };
        return tool.Command("report", "Writes a self-contained HTML page about a run, finished, going on or killed, or one that compares several.", [runs, output], context =>
        {
            var records = context.Get(runs)!.Select(RunRecord.Read).ToList();
            var page = context.Get(output)!;
            if (records.Count == 1) RunPage.Write(records[0], page);
            else ComparisonPage.Write(records, page);
            context.Result(new
            {
                Page = page,
                Runs = records.Select(run => new { run.Name, run.LastStep, run.TotalSteps, run.Ended, FinalLoss = Last(run.Curve("loss")), EvaluationLoss = Last(run.EvaluationCurve("loss")) }),
            }, console =>
            {
                console.Rows(["run", ">steps", ">loss", ">evaluation", "ended"], records.Select(run => (string?[])[run.Name, $"{run.LastStep}{(run.TotalSteps is { } total ? $"/{total}" : "")}", Text(Last(run.Curve("loss"))), Text(Last(run.EvaluationCurve("loss"))), run.Ended ?? "no"]));
                console.Fields(("page", page));
            });
        });
    }

    private static double? Last(IReadOnlyList<(double Step, double Value)> curve) => curve.Count > 0 ? curve[^1].Value : null;

    private static string? Text(double? value) => value is { } number ? Show.Number(number) : null;
}
