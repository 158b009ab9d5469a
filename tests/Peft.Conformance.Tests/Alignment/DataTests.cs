using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Rows as TRL prepares them: token ids, labels, and mismatched completions.</summary>
public sealed class DataTests
{
    public static TheoryData<string> Cases => AlignmentCase.Of("data");

    [Theory, MemberData(nameof(Cases))]
    public void Rows(string id)
    {
        var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(Oracle.Folder, "alignment", id, "case.json"))).RootElement;
        var made = Prepare(json, [.. json.GetProperty("examples").EnumerateArray().Select(each => JsonObject.Create(each)!)]).ToList();
        var expected = json.GetProperty("rows").EnumerateArray().ToList();
        made.Count.ShouldBe(expected.Count);
        foreach (var (row, wanted) in made.Zip(expected)) JsonNode.DeepEquals(row, JsonObject.Create(wanted)).ShouldBeTrue($"{row.ToJsonString()}\nexpected\n{wanted.GetRawText()}");
    }

    private static IEnumerable<JsonObject> Prepare(JsonElement json, List<JsonObject> rows)
    {
        if (json.GetProperty("trainer").GetString() == "extract_prompt") return rows.Select((row, i) => Extract(new(row, $"row {i}")));
        var tokenizer = Tokenizer.FromPretrained(Oracle.Tokenizer(json.GetProperty("tokenizer").GetString()!));
        tokenizer.ChatTemplate = ChatTemplate.Parse(json.GetProperty("chat_template").GetString()!);
        var config = json.GetProperty("config");
        var maxLength = config.GetProperty("max_length") is { ValueKind: JsonValueKind.Number } length ? length.GetInt32() : (int?)null;
        return json.GetProperty("trainer").GetString() switch
        {
            "DPOTrainer" => PreferenceDataset.FromRows(rows, tokenizer, new() { MaxLength = maxLength }).Pairs.Select(pair => new JsonObject
            {
                ["prompt_ids"] = Ids(pair.Chosen.Prompt), ["chosen_ids"] = Ids(pair.Chosen.Completion), ["rejected_ids"] = Ids(pair.Rejected.Completion),
            }),
            "RewardTrainer" => RewardDataset.FromRows(rows, tokenizer, new() { MaxLength = maxLength }).Pairs.Select(Scored),
            "KTOTrainer" => Mismatched(UnpairedDataset.FromRows(rows, tokenizer, new() { MaxLength = maxLength }), config.GetProperty("per_device_train_batch_size").GetInt32()),
            "SFTTrainer" => SftDataset.FromRows(rows, tokenizer, new()
            {
                MaxLength = maxLength,
                CompletionOnly = config.GetProperty("completion_only_loss") is { ValueKind: JsonValueKind.True or JsonValueKind.False } flag ? flag.GetBoolean() : null,
                AssistantOnly = config.GetProperty("assistant_only_loss").GetBoolean(),
            }).Rows.Select(row => new JsonObject { ["input_ids"] = Ids(row.Single().Ids), ["labels"] = Ids(row.Single().Labels) }),
            var other => throw new InvalidOperationException($"There is no dataset for {other}."),
        };
    }

    private static JsonObject Extract(DataRow row)
    {
        var (prompt, chosen, rejected) = PromptExtraction.Of(row.Passage("chosen"), row.Passage("rejected"));
        return new() { ["prompt"] = Json(prompt), ["chosen"] = Json(chosen), ["rejected"] = Json(rejected) };
    }

    private static JsonNode Json(Passage passage) => passage.IsChat ? passage.ToJson() : JsonValue.Create(passage.Text!);

    private static JsonObject Scored((long[] Chosen, long[] Rejected, double? Margin) pair)
    {
        var row = new JsonObject { ["chosen_ids"] = Ids(pair.Chosen), ["rejected_ids"] = Ids(pair.Rejected) };
        if (pair.Margin is { } margin) row["margin"] = margin;
        return row;
    }

    // The mismatched completions are those of a batch in the order of the rows.
    private static IEnumerable<JsonObject> Mismatched(UnpairedDataset dataset, int batchSize)
    {
        foreach (var rows in dataset.Batches(batchSize))
        {
            using var batch = dataset.GetBatch(rows);
            for (var i = 0; i < rows.Length; i++)
            {
                var (tokens, label) = dataset.Examples[rows[i]];
                var (ids, mask) = (Row("KL_input_ids", i), Row("KL_completion_mask", i));
                ids.Zip(Row("KL_attention_mask", i)).TakeWhile(pair => pair.Second == 1).Select(pair => pair.First).Take(tokens.Prompt.Length).ShouldBe(tokens.Prompt);
                Row("label", i).ShouldBe([label ? 1L : 0]);
                yield return new() { ["label"] = label, ["prompt_ids"] = Ids(tokens.Prompt), ["completion_ids"] = Ids(tokens.Completion), ["KL_completion_ids"] = Ids([.. ids.Zip(mask).Where(pair => pair.Second == 1).Select(pair => pair.First)]) };
            }

            long[] Row(string name, int i) => batch.Extra[name].to_type(TorchSharp.torch.ScalarType.Int64)[i].reshape(-1).data<long>().ToArray();
        }
    }

    private static JsonArray Ids(long[] ids) => [.. ids.Select(id => (JsonNode)JsonValue.Create(id))];
}
