using TorchSharp;
using static Peft.Models.Tests.Tasks.TaskModels;
using static TorchSharp.torch;

namespace Peft.Models.Tests.Tasks;

public class ClassificationDatasetTests
{
    private static IReadOnlyList<long> Ids(Tensor tensor) => [.. tensor.data<long>()];

    [Theory]
    [InlineData("rows.jsonl", """
        {"id": 1, "text": "the noble heart", "label": "b"}

        {"label": "a", "text": "speak, \"prince\""}
        {"text": "night\nworld", "label": "b"}
        """)]
    [InlineData("rows.csv", "id,text,label\r\n1,the noble heart,b\r\n2,\"speak, \"\"prince\"\"\",a\r\n3,\"night\nworld\",b\r\n")]
    [InlineData("rows.tsv", "label\ttext\nb\tthe noble heart\na\tspeak, \"prince\"\nb\tnight world")]
    public void Rows_come_from_files_of_every_kind(string name, string text) => InFile(name, text, path =>
    {
        var data = ClassificationDataset.FromFile(path, Pieces);
        data.Count.ShouldBe(3);
        data.Labels.ShouldBe(["a", "b"]);
        data.Labels.Problem.ShouldBe(ProblemType.SingleLabel);
        using var batch = data.GetBatch([1, 0, 2]);
        Ids(batch.Labels!).ShouldBe([0, 1, 1]);
        string[] texts = ["speak, \"prince\"", "the noble heart", "night world"];
        for (var row = 0; row < 3; row++)
        {
            var expected = Pieces.Encode(texts[row]).Select(id => (long)id).ToList();
            Ids(batch.InputIds[row]).ShouldBe([.. expected, .. Enumerable.Repeat(0L, (int)batch.InputIds.shape[1] - expected.Count)]);
            Ids(batch.AttentionMask![row]).Sum().ShouldBe(expected.Count);
            data.LengthOf(row == 0 ? 1 : row == 1 ? 0 : 2).ShouldBe(expected.Count);
        }
        batch.Weight.ShouldBe(3);
        batch.Extra.ShouldBeEmpty();
    });

    [Fact]
    public void Labels_are_sorted_whole_numbers_by_value_or_stand_as_given()
    {
        LabelSet Of(IReadOnlyList<string>? given, params string[] labels)
            => new ClassificationDataset(labels.Select(label => new ClassificationRow("noble", label)), Pieces, new() { Labels = given }).Labels;
        Of(null, "b", "B", "a", "b").ShouldBe(["B", "a", "b"]);
        Of(null, "10", "9", "-1").ShouldBe(["-1", "9", "10"]);
        Of(["b", "c", "a"], "a", "b").ShouldBe(["b", "c", "a"]);
        var numbered = new ClassificationDataset([new("noble", 2), new("noble", 0)], Pieces, new() { Labels = ["x", "y", "z"] });
        using var batch = numbered.GetBatch([0, 1]);
        Ids(batch.Labels!).ShouldBe([2, 0]);
        numbered.Labels.IdOf("z").ShouldBe(2);
        numbered.Labels.IdOf("q").ShouldBe(-1);
    }

    [Fact]
    public void Pairs_are_told_apart_by_token_types() => InFile("pairs.csv", "premise,hypothesis,label\nnoble heart,night,0\nspeak,the prince,1\n", path =>
    {
        var data = ClassificationDataset.FromFile(path, Pieces, new() { TextField = "premise", PairField = "hypothesis" });
        using var batch = data.GetBatch([0, 1]);
        var expected = Pieces.Encode("noble heart", "night");
        Ids(batch.InputIds[0]).Take(expected.Length).ShouldBe(expected.Ids.Select(id => (long)id));
        Ids(batch.Extra["token_type_ids"][0]).Take(expected.Length).ShouldBe(expected.TypeIds.Select(id => (long)id));
        using var scope = NewDisposeScope();
        using var bert = SequenceClassifier.FromConfig(Bert, options: data.Labels);
        using var without = SequenceClassifier.FromConfig(DistilBert, options: data.Labels);   // has no token types
        bert.Loss(batch).item<float>().ShouldBeGreaterThan(0);
        without.Loss(batch).item<float>().ShouldBeGreaterThan(0);
    });

    [Fact]
    public void Several_classes_come_as_lists_or_as_one_text()
    {
        void Check(ClassificationDataset data)
        {
            data.Labels.Problem.ShouldBe(ProblemType.MultiLabel);
            data.Labels.ShouldBe(["a", "b", "c"]);
            using var batch = data.GetBatch([0, 1, 2]);
            batch.Labels!.shape.ShouldBe([3, 3]);
            batch.Labels.data<float>().ShouldBe([1, 0, 1, 0, 0, 0, 0, 1, 0]);
        }
        InFile("rows.jsonl", """
            {"text": "noble", "label": ["c", "a"]}
            {"text": "night", "label": []}
            {"text": "world", "label": ["b"]}
            """, path => Check(ClassificationDataset.FromFile(path, Pieces)));
        InFile("rows.csv", "text,label\nnoble,c; a\nnight,\nworld,b\n", path => Check(ClassificationDataset.FromFile(path, Pieces, new() { LabelSeparator = ";" })));
        Check(new([new("noble", ["c", "a"]), new("night", Array.Empty<string>()), new("world", "b")], Pieces));
    }

    [Fact]
    public void Numbers_are_learned_where_that_is_asked_for()
    {
        void Check(ClassificationDataset data)
        {
            data.Labels.Problem.ShouldBe(ProblemType.Regression);
            using var batch = data.GetBatch([1, 0]);
            batch.Labels!.data<float>().ShouldBe([-3, 0.5f]);
        }
        var options = new ClassificationOptions { LabelField = "score", Problem = ProblemType.Regression };
        InFile("rows.jsonl", "{\"text\": \"noble\", \"score\": 0.5}\n{\"text\": \"night\", \"score\": -3}", path => Check(ClassificationDataset.FromFile(path, Pieces, options)));
        InFile("rows.csv", "text,score\nnoble,0.5\nnight,-3", path => Check(ClassificationDataset.FromFile(path, Pieces, options)));
        Check(new([new("noble", 0.5), new("night", -3.0)], Pieces));
    }

    [Fact]
    public void Longer_texts_are_cut_counted_and_logged_or_refused()
    {
        var logger = new TaskLogger();
        ClassificationRow[] rows = [new("noble", "a"), new("the noble heart of the world", "b")];
        var data = new ClassificationDataset(rows, Pieces, new() { MaxLength = 5 }, logger);
        data.TruncatedRows.ShouldBe(1);
        data.LengthOf(1).ShouldBe(5);
        logger.Lines.Single().ShouldContain("1 rows were truncated");
        using var batch = data.GetBatch([1]);
        Ids(batch.InputIds)[^1].ShouldBe(Pieces.SeparatorId!.Value);
        Should.Throw<DatasetException>(() => new ClassificationDataset(rows, Pieces, new() { MaxLength = 5, Truncate = false }))
            .Message.ShouldMatch("row 2: the text has [0-9]+ tokens, but 5 are allowed");
    }

    [Theory]
    [InlineData("a.jsonl", "{\"text\": \"x\", \"label\": \"a\"}\n{\"sentence\": \"x\", \"label\": \"a\"}", "line 2: there is no field \"text\". Fields found: sentence, label")]
    [InlineData("a.jsonl", "{\"text\": \"x\"}", "line 1: there is no field \"label\". Fields found: text")]
    [InlineData("a.jsonl", "{\"text\": 3, \"label\": \"a\"}", "field \"text\" must be a string, but is a number")]
    [InlineData("a.jsonl", "{\"text\": \"x\", \"label\": null}", "field \"label\" must be a string, but is null")]
    [InlineData("a.jsonl", "{\"text\": \"x\", \"label\": {}}", "must be a string, but is an object")]
    [InlineData("a.jsonl", "{\"text\": \"x\", \"label\": 1.5}", "set Problem to ProblemType.Regression")]
    [InlineData("a.jsonl", "{\"text\": \"x\", \"label\": [\"a\", []]}", "must be a string, but is a list")]
    [InlineData("a.jsonl", "{\"text\": \" \", \"label\": \"a\"}", "line 1: the text is empty")]
    [InlineData("a.jsonl", "{\"text\": \"x\", \"label\": \"\"}", "line 1: the label is empty")]
    [InlineData("a.jsonl", "{\"text\": \"x\", \"label\": \"a\"}\n{\"text\": \"x\", \"label\": [\"a\"]}", "line 2: ")]
    [InlineData("a.jsonl", "{\"text\": \"x\", \"text\": \"y\", \"label\": \"a\"}", "'text'")]
    [InlineData("a.jsonl", "{\"text\": \"\\ud800\", \"label\": \"a\"}", "line 1")]
    [InlineData("a.jsonl", "[1]", "line 1")]
    [InlineData("a.jsonl", "{", "line 1")]
    [InlineData("a.jsonl", "", "has no rows")]
    [InlineData("a.csv", "text,label\nx,a\ny,b,c\n", "Found 3 column(s)")]
    [InlineData("a.csv", "text,label\nx\n", "Found 1 column(s)")]
    [InlineData("a.csv", "text,text\nx,a\n", "text")]
    [InlineData("a.csv", "sentence,label\nx,a\n", "line 2: there is no field \"text\". Fields found: sentence, label")]
    [InlineData("a.csv", "text,label\nx,a\n\"y,b\n", "Found 1 column(s)")]
    [InlineData("a.csv", "text,label\nx,a\ny,\"b\n", "line 3: a quote is opened and not closed")]
    [InlineData("a.csv", "text,label\n", "has no rows")]
    [InlineData("a.csv", "", "")]
    public void What_is_wrong_in_a_file_is_named(string name, string text, string expected) => InFile(name, " ", path =>
    {
        File.WriteAllText(path, text);
        var message = Should.Throw<DatasetException>(() => ClassificationDataset.FromFile(path, Pieces)).Message;
        message.ShouldContain(expected);
        message.ShouldContain(path);
    });

    [Fact]
    public void A_label_that_is_not_given_and_a_missing_file_are_named()
    {
        InFile("a.csv", "text,label\nx,a\ny,z\n", path => Should.Throw<DatasetException>(() => ClassificationDataset.FromFile(path, Pieces, new() { Labels = ["a", "b"] }))
            .Message.ShouldBe($"{path}, line 3: the label 'z' is not among those given: a, b."));
        foreach (var name in new[] { "a.csv", "a.tsv", "a.jsonl" })
            Should.Throw<DatasetException>(() => ClassificationDataset.FromFile("/nowhere/" + name, Pieces)).Message.ShouldContain("/nowhere/" + name);
        Should.Throw<DatasetException>(() => new ClassificationDataset([new("x", 1.5), new("y", double.NaN)], Pieces)).Message.ShouldContain("row 2: the target value is NaN");
        Should.Throw<DatasetException>(() => new ClassificationDataset([new("x", 1.5), new("y", "a")], Pieces)).Message.ShouldContain("row 2: the row is for SingleLabel, but the dataset is for Regression");
        Should.Throw<ArgumentException>(() => new LabelSet("a", "a")).Message.ShouldContain("Duplicate label 'a'");
    }
}
