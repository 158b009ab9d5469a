using System.Text.Json.Nodes;
using Peft.Models;

namespace Peft.Cli;

/// <summary>Tagging of words, for entities.</summary>
internal sealed class TaggingTask() : ModelTask("token-classification", "TOKEN_CLS", "ForTokenClassification")
{
    public override PretrainedModel Load(string model, LoadOptions options)
    {
        RefusePooling(options);
        return TokenClassifier.FromPretrained(model, options);
    }

    public override TrainingDataset Open(ToolContext context, TaskFlags flags, DataSource source, RowReading reading, IReadOnlyList<string>? labels)
    {
        var options = flags.Dataset(context, new TaggingOptions { MaxLength = DataFiles.Limit(reading), Labels = labels });
        return TaggingDataset.From(DataFiles.Require(source, [options.WordsField, options.TagsField]), reading.Tokenizer, options, reading.Logger, reading.Cache);
    }

    public override void Predict(ToolContext context, PretrainedModel model, Tokenizer tokenizer, DataSource source, int batchSize)
    {
        var (tagger, options) = ((TokenClassifier)model, new TaggingPredictionOptions { BatchSize = batchSize });
        var rows = DataFiles.Require(source, ["tokens"], ["text"]);
        if (rows.Columns.Contains("pair")) throw new ToolException("This model tags the words of single texts, not of pairs: leave out the second text.");
        var found = rows.Columns.Contains("tokens") ? tagger.Tag(rows.Select(Words), tokenizer, options) : tagger.Tag(DataFiles.Texts(rows, "text"), tokenizer, options);
        context.Result(found.Select(each => new { each.Text, each.Entities, each.Words }),
            console => console.Rows(["type", ">probability", "entity", "text"], found.SelectMany(each => each.Entities.Count == 0 ? [(string?[])["–", "", "", each.Text]]
                : each.Entities.Select(entity => (string?[])[entity.Type, Show.Percent(entity.Probability), entity.Text, each.Text]))));
    }

    private static IReadOnlyList<string> Words(DatasetRow row)
        => row.Fields["tokens"] is JsonArray words && words.All(word => word is JsonValue value && value.TryGetValue<string>(out _)) ? [.. words.Select(word => (string)word!)] : throw new ToolException($"{row.Place}: \"tokens\" must be a list of texts.");
}
