using Peft.Models;
using Spectre.Console;

namespace Peft.Cli;

/// <summary>Classification of texts or pairs of texts: one class, several, or a value.</summary>
internal sealed class ClassificationTask() : ModelTask("sequence-classification", "SEQ_CLS", "ForSequenceClassification")
{
    private const double Chosen = 0.5;   // as in evaluation

    public override PretrainedModel Load(string model, LoadOptions options) => SequenceClassifier.FromPretrained(model, options);

    public override TrainingDataset Open(ToolContext context, TaskFlags flags, DataSource source, RowReading reading, IReadOnlyList<string>? labels)
    {
        var options = flags.Dataset(context, new ClassificationOptions { MaxLength = DataFiles.Limit(reading), Labels = labels });
        var rows = DataFiles.Require(source, [options.TextField, options.LabelField]);
        return ClassificationDataset.From(rows, reading.Tokenizer, options.PairField is null && rows.Columns.Contains("pair") ? options with { PairField = "pair" } : options, reading.Logger, reading.Cache);
    }

    public override void Predict(ToolContext context, PretrainedModel model, Tokenizer tokenizer, DataSource source, int batchSize)
    {
        var (classifier, options) = ((SequenceClassifier)model, new PredictionOptions { BatchSize = batchSize });
        var rows = DataFiles.Require(source, ["text"]);
        var texts = DataFiles.Texts(rows, "text");
        var seconds = rows.Columns.Contains("pair") ? DataFiles.Texts(rows, "pair") : null;
        if (classifier.Labels.Problem == ProblemType.Regression)
        {
            var values = seconds is null ? classifier.Regress(texts, tokenizer, options) : classifier.Regress(texts.Zip(seconds), tokenizer, options);
            context.Result(values.Select((value, i) => new { Text = texts[i], Pair = seconds?[i], Value = value }), console => Table(console, [">value"], values.Select(value => (string[])[Show.Number(value)])));
            return;
        }
        var several = classifier.Labels.Problem == ProblemType.MultiLabel;
        var found = seconds is null ? classifier.Classify(texts, tokenizer, options) : classifier.Classify(texts.Zip(seconds), tokenizer, options);
        context.Result(found.Select((each, i) => new
        {
            Text = texts[i],
            Pair = seconds?[i],
            Label = several ? null : each.Label,
            Labels = several ? each.LabelsFrom(Chosen) : null,
            Probability = several ? (double?)null : each.Probability,
            Scores = each.Scores.Select(score => new { score.Label, score.Probability }),
        }), console => Table(console, ["label", ">probability"], found.Select(each => (string[])[several ? string.Join(", ", each.LabelsFrom(Chosen)) : each.Label, Show.Percent(each.Probability)])));

        void Table(IAnsiConsole console, string[] columns, IEnumerable<string[]> answers)
            => console.Rows(seconds is null ? [.. columns, "text"] : [.. columns, "text", "pair"], answers.Select((answer, i) => (string?[])(seconds is null ? [.. answer, texts[i]] : [.. answer, texts[i], seconds[i]])));
    }
}
