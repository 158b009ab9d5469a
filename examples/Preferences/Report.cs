using Examples;
using ScottPlot;
using static System.FormattableString;

namespace Preferences;

/// <summary>The results as tables and a plot.</summary>
/// <param name="Rows">Each policy on held-out pairs.</param>
/// <param name="Reward">Each reward model on held-out pairs.</param>
/// <param name="TestPairs">Number of pairs that the policies are judged on.</param>
internal sealed record Report(IReadOnlyList<PolicyRow> Rows, IReadOnlyList<RewardRow> Reward, int TestPairs)
{
    private ResultsTable Policies => new(["policy", "implicit accuracy", "implicit margin", "chosen more probable", "log p of chosen", "log p of rejected", "s"],
        Rows.Select(row => (string[])
        [
            row.Name, row.IsReference ? "" : Invariant($"{row.Outcome.Accuracy:F3}"), row.IsReference ? "" : Number(row.Outcome.Margin, "F3"), Invariant($"{row.Outcome.Probable:F3}"), Number(row.Outcome.Chosen, "F3"), Number(row.Outcome.Rejected, "F3"), Invariant($"{row.Seconds:F0}"),
        ]));

    private ResultsTable Rewards => new(["judged on", "pairs", "the longer one", "reward model", "standard error", "s"],
        Reward.Select(row => (string[])[row.Name, Invariant($"{row.Pairs:N0}"), Invariant($"{row.Longer:F3}"), Invariant($"{row.Accuracy:F3}"), Invariant($"{Error(row.Accuracy, row.Pairs):F3}"), Invariant($"{row.Seconds:F0}")]));

    private static string Number(double value, string format) => value.ToString(format, System.Globalization.CultureInfo.InvariantCulture).Replace('-', '−');

    private static double Error(double share, int pairs) => Math.Sqrt(share * (1 - share) / pairs);

    public void Show()
    {
        Policies.Show();
        Rewards.Show();
    }

    /// <summary>Writes the tables into preferences.md, and the plot beside it.</summary>
    public void WriteDocs(string docs)
    {
        var page = Path.Combine(docs, "preferences.md");
        Policies.WriteTo(page, "policies");
        Rewards.WriteTo(page, "reward model");
        PlotTo(Path.Combine(docs, "preferences.svg"));
    }

    // Shares of held-out pairs that are ordered rightly, with their standard errors.
    private void PlotTo(string file)
    {
        using var plot = new Plot();
        var shares = Reward.SelectMany(row => new[] { ($"longer\n({row.Pairs} pairs)", row.Longer, row.Pairs), ($"reward model\n({row.Pairs} pairs)", row.Accuracy, row.Pairs) })
            .Concat(Rows.Where(row => !row.IsReference).Select(row => ($"{row.Name}\n({TestPairs} pairs)", row.Outcome.Accuracy, TestPairs))).ToList();
        plot.Add.Bars(shares.Select((share, i) => new Bar { Position = i, Value = share.Item2, Error = Error(share.Item2, share.Item3), Label = Invariant($"{share.Item2:F2}"), FillColor = plot.Add.Palette.GetColor(share.Item1.StartsWith("longer", StringComparison.Ordinal) ? 7 : 0) }).ToArray());
        plot.Add.HorizontalLine(0.5, width: 1, Colors.Gray, LinePattern.Dashed);
        plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericManual([.. shares.Select((share, i) => new Tick(i, share.Item1))]);
        plot.Axes.SetLimitsY(0.4, 0.8);
        plot.YLabel("held-out pairs ordered rightly");
        plot.SaveSvg(file, 900, 420);
    }
}
