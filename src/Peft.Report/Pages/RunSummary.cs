namespace Peft.Report;

/// <summary>The final values of a run.</summary>
internal static class RunSummary
{
    public static IEnumerable<(string Name, string? Text)> Of(RunRecord run)
    {
        var losses = run.Curve("loss").Where(point => double.IsFinite(point.Value)).ToList();
        yield return ("steps", run.TotalSteps is { } total ? $"{run.LastStep} of {total}" : run.LastStep.ToString(System.Globalization.CultureInfo.InvariantCulture));
        yield return ("first loss", losses.Count == 0 ? null : Display.Number(losses[0].Value));
        yield return ("final loss", FinalLoss(run));
        var evaluated = run.EvaluationCurve("loss").Where(point => double.IsFinite(point.Value)).ToList();
        yield return ("best evaluation loss", evaluated.Count == 0 ? null : Display.Number(evaluated.Min(point => point.Value)));
        yield return ("last evaluation loss", evaluated.Count == 0 ? null : Display.Number(evaluated[^1].Value));
        var (tokens, seconds) = (run.Curve("tokens").Sum(point => point.Value), run.Curve("seconds").Sum(point => point.Value));
        yield return ("tokens", tokens > 0 ? Display.Short(tokens) : null);
        yield return ("tokens/s", tokens > 0 && seconds > 0 ? Display.Short(tokens / seconds) : null);
        yield return ("time in steps", seconds > 0 ? Display.Time(seconds) : null);
        var memory = run.Curve("memory_bytes");
        yield return ("most memory", memory.Count == 0 ? null : Display.Bytes(memory.Max(point => point.Value)));
        yield return ("adapter parameters", run.Layers.Count == 0 ? null : Display.Short(run.Layers.Sum(layer => (double)layer.Parameters)));
        var drifts = run.Layers.Select(layer => layer.Drift).OfType<double>().ToList();
        yield return ("mean drift ‖ΔW‖/‖W‖", drifts.Count == 0 ? null : Display.Percent(drifts.Average()));
    }

    /// <summary>The loss at the end; null if there is none. Single batches differ: it is the mean of the last tenth of the steps, at most 20.</summary>
    public static string? FinalLoss(RunRecord run)
    {
        var losses = run.Curve("loss").Where(point => double.IsFinite(point.Value)).ToList();
        return losses.Count == 0 ? null : Display.Number(losses.TakeLast(Math.Clamp(losses.Count / 10, 1, 20)).Average(point => point.Value));
    }
}
