using System.Globalization;

namespace Peft.Benchmarks;

/// <summary>Two measurements, run in turn so that both see the same state of the machine, and a table of their medians.</summary>
/// <param name="runs">Number of runs of each.</param>
internal sealed class Comparison(int runs)
{
    /// <summary>Prints the head of the table.</summary>
    public static void PrintHead(string subject, string one, string other)
    {
        Console.WriteLine($"| {subject} | {one}, tokens/s | {other}, tokens/s | ratio | {one}, MB | {other}, MB |");
        Console.WriteLine("| --- | ---: | ---: | ---: | ---: | ---: |");
    }

    /// <summary>Runs two measurements in turn, and prints a row with their medians. Each run is shown in the error stream.</summary>
    /// <exception cref="InvalidOperationException">A run failed.</exception>
    public void PrintRow(string name, Func<MeasuredProcess> one, Func<MeasuredProcess> other)
    {
        var (first, second) = (new List<MeasuredProcess>(), new List<MeasuredProcess>());
        for (var run = 0; run < runs; run++)
        {
            first.Add(one());
            second.Add(other());
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}, run {run + 1} of {runs}: {first[^1].TokensPerSecond:N1} and {second[^1].TokensPerSecond:N1} tokens/s"));
        }
        var (own, others) = (Speed(first), Speed(second));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {own:N1} | {others:N1} | {own / others:F2} | {Memory(first):N0} | {Memory(second):N0} |"));
    }

    private static double Speed(List<MeasuredProcess> measured) => Measure.Median(measured.Select(each => each.TokensPerSecond));

    private static double? Memory(List<MeasuredProcess> measured) => measured.TrueForAll(each => each.Megabytes is not null) ? Measure.Median(measured.Select(each => each.Megabytes!.Value)) : null;
}
