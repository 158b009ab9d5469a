using System.Xml.Linq;

namespace Peft.Report;

/// <summary>Texts of a model, for each prompt before and after training; lists of many texts show the first and the last step.</summary>
internal static class SampleTable
{
    public static XElement? Draw(IReadOnlyList<RunSample> samples)
        => samples.Count == 0 ? null : Markup.Tag("div", samples.GroupBy(sample => sample.Prompt).Select(One));

    private static XElement One(IGrouping<string, RunSample> samples)
    {
        var (first, last) = (samples.Min(sample => sample.Step), samples.Max(sample => sample.Step));
        return Markup.Tag("article", Markup.Tag("h3", samples.Key),
            Markup.Tag("div", Markup.With("class", "pair"), samples.Where(sample => sample.Step == first).Take(4).Select(Text), first == last ? null : samples.Where(sample => sample.Step == last).Take(4).Select(Text)));
    }

    private static XElement Text(RunSample sample)
        => Markup.Tag("div", Markup.Tag("b", sample.Step == 0 ? "before training" : $"after step {sample.Step}"), Markup.Tag("pre", sample.Text));
}
