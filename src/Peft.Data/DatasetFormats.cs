using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Data;

/// <summary>Recognizes the format of a row by its columns, with the names that TRL and transformers use.</summary>
internal static class DatasetFormats
{
    private static readonly string[] Words = ["tokens", "words"], Tags = ["ner_tags", "tags", "labels"];

    // From the most to the least specific.
    private static readonly (DatasetFormat Format, Func<JsonObject, bool> Matches)[] Known =
    [
        (DatasetFormat.Preference, row => Has(row, "chosen", "rejected")),
        (DatasetFormat.Stepwise, row => Has(row, "prompt", "completions", "labels")),
        (DatasetFormat.Unpaired, row => Has(row, "prompt", "completion") && row["label"]?.GetValueKind() is JsonValueKind.True or JsonValueKind.False),
        (DatasetFormat.PromptCompletion, row => Has(row, "prompt", "completion")),
        (DatasetFormat.Messages, row => Has(row, "messages") || Has(row, "conversations")),
        (DatasetFormat.QuestionAnswering, row => Has(row, "question", "context", "answers")),
        (DatasetFormat.Tagging, row => Words.Any(name => row[name] is JsonArray) && Tags.Any(name => row[name] is JsonArray)),
        (DatasetFormat.Classification, row => Has(row, "text") && (Has(row, "label") || Has(row, "labels"))),
        (DatasetFormat.Text, row => Has(row, "text")),
        (DatasetFormat.Prompt, row => Has(row, "prompt")),
    ];

    /// <summary>The format of a row.</summary>
    public static DatasetFormat Of(JsonObject row) => Known.FirstOrDefault(each => each.Matches(row)).Format;

    private static bool Has(JsonObject row, params ReadOnlySpan<string> columns)
    {
        foreach (var column in columns)
            if (row[column] is null) return false;
        return true;
    }
}
