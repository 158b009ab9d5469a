using Microsoft.Extensions.Logging;
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

    public override TrainingDataset Open(ToolContext context, TaskFlags flags, DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger, IReadOnlyList<string>? labels)
    {
        flags.Cache.Refuse(context, Name);
        var options = flags.Dataset(context, new TaggingOptions { MaxLength = DataFiles.Limit(maxLength, tokenizer), Labels = labels });
        return TaggingDataset.From(DataFiles.Require(source, [options.WordsField, options.TagsField]), tokenizer, options, logger);
    }

    public override void Predict(ToolContext context, PretrainedModel model, Tokenizer tokenizer, IReadOnlyList<string> texts, int batchSize)
    {
        var found = ((TokenClassifier)model).Tag(texts, tokenizer, new() { BatchSize = batchSize });
        context.Result(found.Select(each => new { each.Text, each.Entities, each.Words }),
            console => console.Rows(["type", ">probability", "entity", "text"], found.SelectMany(each => each.Entities.Count == 0 ? [(string?[])["–", "", "", each.Text]]
                : each.Entities.Select(entity => (string?[])[entity.Type, Show.Percent(entity.Probability), entity.Text, each.Text]))));
    }
}
