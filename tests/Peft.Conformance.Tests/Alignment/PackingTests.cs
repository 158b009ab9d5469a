using System.Text.Json;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Rows as TRL packs and collates them.</summary>
public sealed class PackingTests
{
    public static TheoryData<string> Cases => AlignmentCase.Of("packing");

    [Theory, MemberData(nameof(Cases))]
    public void Rows(string id)
    {
        var json = Json(id);
        var packed = Pack(json);
        var expected = json.GetProperty("packed").EnumerateArray().ToList();
        packed.Count.ShouldBe(expected.Count);
        foreach (var (row, wanted) in packed.Zip(expected))
        {
            row.SelectMany(document => document.Ids).ShouldBe(Longs(wanted.GetProperty("input_ids")));
            row.SelectMany(document => document.Labels).ShouldBe(Longs(wanted.GetProperty("labels")));
            if (wanted.TryGetProperty("seq_lengths", out var lengths)) row.Select(document => (long)document.Ids.Length).ShouldBe(Longs(lengths));
            else row.Length.ShouldBe(1);
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void One_batch_of_all_rows(string id)
    {
        var json = Json(id);
        if (!json.TryGetProperty("collated", out var collated))
        {
            // The rows of a stream are padded.
            json.GetProperty("strategy").GetString().ShouldBe("wrapped");
            return;
        }
        using var scope = NewDisposeScope();
        using var batch = SftDataset.ToBatch(Pack(json).SelectMany(row => row), BatchLayout.Packed, padding: 0);
        var labels = Longs(collated.GetProperty("labels")[0]);
        batch.InputIds[0].data<long>().ToArray().ShouldBe(Longs(collated.GetProperty("input_ids")[0]));
        batch.Labels![0].data<long>().ToArray().ShouldBe(labels);
        batch.PackedLengths!.SelectMany(length => Enumerable.Range(0, length).Select(i => (long)i)).ShouldBe(Longs(collated.GetProperty("position_ids")[0]));
        batch.Weight.ShouldBe(labels.Count(label => label != Batch.IgnoredLabel));
    }

    private static JsonElement Json(string id) => JsonDocument.Parse(File.ReadAllText(Path.Combine(Oracle.Folder, "alignment", id, "case.json"))).RootElement;

    // In the cases, every third label of an example is ignored, from the first.
    private static List<LabelledSequence[]> Pack(JsonElement json)
    {
        var rows = json.GetProperty("examples").EnumerateArray().Select(Longs).Select(ids => new LabelledSequence(ids, [.. ids.Select((each, i) => i % 3 == 0 ? Batch.IgnoredLabel : each)]));
        var strategy = json.GetProperty("strategy").GetString() switch
        {
            "bfd" => PackingStrategy.BestFit,
            "bfd_split" => PackingStrategy.BestFitSplit,
            _ => PackingStrategy.Wrapped,
        };
        return [.. Packing.Pack(rows, strategy, json.GetProperty("seq_length").GetInt32())];
    }

    private static long[] Longs(JsonElement list) => [.. list.EnumerateArray().Select(each => each.GetInt64())];
}
