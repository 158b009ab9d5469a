using System.Text.Json;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Batches of token ids, as TRL's collators make them.</summary>
public sealed class CollationTests
{
    public static TheoryData<string> Pairs => AlignmentCase.Of("dpo");

    public static TheoryData<string> Unpaired => AlignmentCase.Of("kto");

    public static TheoryData<string> Scored => AlignmentCase.Of("reward");

    [Theory, MemberData(nameof(Pairs))]
    public void Preferences(string id) => Check(id, (json, examples) =>
    {
        var config = json.GetProperty("config");
        return PreferenceDataset.ToBatch([.. examples.Select(each => new PreferenceRow(new(Ids(each, "prompt_ids"), Ids(each, "chosen_ids")), new(Ids(each, "prompt_ids"), Ids(each, "rejected_ids"))))],
            config.TryGetProperty("max_length", out var length) && length.ValueKind == JsonValueKind.Number ? length.GetInt32() : null,
            config.TryGetProperty("truncation_mode", out var mode) && mode.GetString() == "keep_end" ? TruncationMode.KeepEnd : TruncationMode.KeepStart, Padding(json));
    }, "ref_chosen_logps", "ref_rejected_logps");

    [Theory, MemberData(nameof(Unpaired))]
    public void Unpaired_rows_with_mismatched_completions(string id) => Check(id, (json, examples)
        => UnpairedDataset.ToBatch([.. examples.Select(each => (new TokenRow(Ids(each, "prompt_ids"), Ids(each, "completion_ids")), each.GetProperty("label").GetBoolean()))], null, Padding(json)), "ref_logps", "ref_KL_logps");

    [Theory, MemberData(nameof(Scored))]
    public void Pairs_with_margins(string id) => Check(id, (json, examples)
        => RewardDataset.ToBatch([.. examples.Select(each => (Ids(each, "chosen_ids"), Ids(each, "rejected_ids"), each.TryGetProperty("margin", out var margin) ? margin.GetDouble() : (double?)null))], Padding(json)), "score.weight");

    private static void Check(string id, Func<JsonElement, IReadOnlyList<JsonElement>, Batch> collate, params string[] elsewhere)
    {
        var folder = Path.Combine(Oracle.Folder, "alignment", id);
        var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "case.json"))).RootElement;
        using var scope = NewDisposeScope();
        using var expected = new Expected(folder);
        using var batch = collate(json, [.. json.GetProperty("examples").EnumerateArray()]);
        // Precomputed log-probabilities and the head's weight do not come from rows.
        foreach (var name in json.GetProperty("inputs").EnumerateArray().Select(each => each.GetString()!).Except(elsewhere))
        {
            var made = name switch
            {
                "input_ids" => batch.InputIds,
                "attention_mask" => batch.AttentionMask!,
                _ => batch.Extra[name],
            };
            var wanted = expected.Read(name);
            made.shape.ShouldBe(wanted.shape, name);
            made.dtype.ShouldBe(wanted.dtype, name);
            made.equal(wanted).all().item<bool>().ShouldBeTrue(name);
        }
    }

    private static long[] Ids(JsonElement example, string name) => [.. example.GetProperty(name).EnumerateArray().Select(each => each.GetInt64())];

    private static long Padding(JsonElement json) => json.GetProperty("pad_token_id").GetInt64();
}
