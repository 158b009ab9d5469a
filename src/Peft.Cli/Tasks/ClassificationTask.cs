using Microsoft.Extensions.Logging;
using Peft.Models;

namespace Peft.Cli;

/// <summary>Classification of texts or pairs of texts: one class, several, or a value.</summary>
internal sealed class ClassificationTask() : ModelTask("sequence-classification", "SEQ_CLS", "ForSequenceClassification")
{
    private const double Chosen = 0.5;   // as in evaluation

    public override PretrainedModel Load(string model, LoadOptions options) => SequenceClassifier.FromPretrained(model, options);

    public override TrainingDataset Open(ToolContext context, TaskFlags flags, DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger, IReadOnlyList<string>? labels)
    {
        flags.Cache.Refuse(context, Name);
        var options = flags.Dataset(context, new ClassificationOptions { MaxLength = DataFiles.Limit(maxLength, tokenizer), Labels = labels });
        var rows = DataFiles.Require(source, [options.TextField, options.LabelField]);
        return ClassificationDataset.From(rows, tokenizer, options.PairField is null && rows.Columns.Contains("pair") ? options with { PairField = "pair" } : options, logger);
    }

    public override void Predict(ToolContext context, PretrainedModel model, Tokenizer tokenizer, IReadOnlyList<string> texts, int batchSize)
    {
        var (classifier, options) = ((SequenceClassifier)model, new PredictionOptions { BatchSize = batchSize });
        if (classifier.Labels.Problem == ProblemType.Regression)
        {
            var values = classifier.Regress(texts, tokenizer, options);
            context.Result(texts.Zip(values, (text, value) => new { Text = text, Value = value }), console => console.Rows([">value", "text"], texts.Zip(values, (text, value) => (string?[])[Show.Number(value), text])));
            return;
        }
        var several = classifier.Labels.Problem == ProblemType.MultiLabel;
        var found = classifier.Classify(texts, tokenizer, options);
        context.Result(texts.Zip(found, (text, each) => new
        {
            Text = text,
            Label = several ? null : each.Label,
            Labels = several ? each.LabelsFrom(Chosen) : null,
            Probability = several ? (double?)null : each.Probability,
            Scores = each.Scores.Select(score => new { score.Label, score.Probability }),
        }), console => console.Rows(["label", ">probability", "text"], texts.Zip(found, (text, each) => (string?[])
            [several ? string.Join(", ", each.LabelsFrom(Chosen)) : each.Label, Show.Percent(each.Probability), text])));
    }
}
