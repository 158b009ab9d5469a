using System.Text.Json;
using System.Text.Json.Nodes;
using static Peft.Models.Tests.Tasks.TaskModels;

namespace Peft.Models.Tests.Tasks;

/// <summary>Words, labels and windows as transformers' recipes for tagging and question answering make them: <c>Data/tasks/make_alignment.py</c>, on sentences of WNUT 2017.</summary>
public class AlignmentTests
{
    private static readonly JsonObject Values = JsonNode.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Data", "tasks", "alignment.json")))!.AsObject();

    private static T Of<T>(JsonNode? node) => node.Deserialize<T>()!;

    [Fact]
    public void Words_and_their_labels_stand_where_transformers_puts_them()
    {
        var sentences = Values["sentences"]!.AsArray();
        var data = new TaggingDataset(sentences.Select(each => new TaggingRow(Of<string[]>(each!["tokens"]), Of<string[]>(each["tags"]))), Pieces, new() { Labels = Of<string[]>(Values["labels"]) });
        for (var row = 0; row < sentences.Count; row++)
        {
            using var batch = data.GetBatch([row]);
            var words = string.Join(' ', Of<string[]>(sentences[row]!["tokens"]));
            batch.InputIds.data<long>().ToArray().ShouldBe(Of<long[]>(sentences[row]!["ids"]), words);
            batch.Labels!.data<long>().ToArray().ShouldBe(Of<long[]>(sentences[row]!["labels"]), words);
        }
    }

    [Fact]
    public void Windows_over_a_long_context_are_those_of_transformers()
    {
        var data = new QuestionAnsweringDataset([new(Of<string>(Values["question"]), Of<string>(Values["context"]), [])], Pieces, new() { MaxLength = 48, Stride = 16 });
        var (windows, types) = (Values["windows"]!.AsArray(), Values["types"]!.AsArray());
        data.Count.ShouldBe(windows.Count);
        for (var row = 0; row < windows.Count; row++)
        {
            using var batch = data.GetBatch([row]);
            batch.InputIds.data<long>().ToArray().ShouldBe(Of<long[]>(windows[row]));
            batch.Extra["token_type_ids"].data<long>().ToArray().ShouldBe(Of<long[]>(types[row]));
        }
    }
}
