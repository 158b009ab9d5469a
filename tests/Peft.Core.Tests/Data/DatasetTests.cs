using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Data;

public class DatasetTests
{
    private const long X = Batch.IgnoredLabel;

    private static readonly CharacterTokenizer Tokenizer = new();

    [Fact]
    public void A_text_is_cut_into_blocks_and_the_rest_dropped()
    {
        var data = TextDataset.FromText("abcdefgh", Tokenizer, blockSize: 3);
        data.Count.ShouldBe(2);
        using var batch = data.GetBatch([1, 0]);
        batch.InputIds.shape.ShouldBe([2, 3]);
        Ids(batch.InputIds).ShouldBe(['d', 'e', 'f', 'a', 'b', 'c']);
        Ids(batch.Labels!).ShouldBe(Ids(batch.InputIds));
        batch.AttentionMask.ShouldBeNull();
        batch.Tokens.ShouldBe(6);
        batch.Weight.ShouldBe(4);
    }

    [Fact]
    public void A_text_shorter_than_a_block_or_a_missing_file_is_explained()
    {
        Should.Throw<DatasetException>(() => TextDataset.FromText("ab", Tokenizer, 3)).Message.ShouldContain("has 2 tokens, fewer than one block of 3");
        Should.Throw<DatasetException>(() => TextDataset.FromFile("/nowhere/train.txt", Tokenizer, 3)).Message.ShouldContain("/nowhere/train.txt cannot be read");
    }

    [Fact]
    public void Only_completions_are_learned_and_padding_is_masked()
    {
        var data = new InstructionDataset([new("ab", "cd"), new("e", "f")], Tokenizer, new() { Separator = ":" });
        using var batch = data.GetBatch([0, 1]);
        Ids(batch.InputIds).ShouldBe([1, 'a', 'b', ':', 'c', 'd', 2, 1, 'e', ':', 'f', 2, 0, 0]);
        Ids(batch.Labels!).ShouldBe([X, X, X, X, 'c', 'd', 2, X, X, X, 'f', 2, X, X]);
        Ids(batch.AttentionMask!).ShouldBe([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
        batch.Weight.ShouldBe(5);
        batch.Tokens.ShouldBe(12);
        data.LengthOf(1).ShouldBe(5);
    }

    [Fact]
    public void Packed_sequences_lie_end_to_end()
    {
        var data = new InstructionDataset([new("ab", "cd"), new("e", "f")], Tokenizer, new() { Layout = BatchLayout.Packed, AppendEndOfSequence = false });
        using var batch = data.GetBatch([1, 0]);
        batch.InputIds.shape.ShouldBe([1, 8]);
        Ids(batch.InputIds).ShouldBe([1, 'e', 'f', 1, 'a', 'b', 'c', 'd']);
        Ids(batch.Labels!).ShouldBe([X, X, 'f', X, X, X, 'c', 'd']);
        batch.PackedLengths.ShouldBe([3, 5]);
        batch.AttentionMask.ShouldBeNull();
        batch.Weight.ShouldBe(3);
    }

    [Fact]
    public void Long_rows_are_cut_or_dropped_counted_and_logged()
    {
        var logger = new ListLogger();
        var data = new InstructionDataset([new("ab", "cdefg"), new("abcdefgh", "x"), new("a", "b"), new("a", "")], Tokenizer, new() { MaxLength = 5 }, logger);
        data.Count.ShouldBe(2);
        data.TruncatedRows.ShouldBe(1);
        data.DroppedRows.ShouldBe(2);
        logger.Lines.Single().ShouldContain("1 rows were truncated and 2 rows dropped at a maximum length of 5 tokens");
        using var batch = data.GetBatch([0]);
        Ids(batch.InputIds).ShouldBe([1, 'a', 'b', 'c', 'd']);
    }

    [Fact]
    public void A_dataset_without_any_completion_is_refused()
    {
        Should.Throw<DatasetException>(() => new InstructionDataset([new("abcdef", "x")], Tokenizer, new() { MaxLength = 4 })).Message.ShouldContain("raise MaxLength");
        Should.Throw<DatasetException>(() => new InstructionDataset([], Tokenizer)).Message.ShouldContain("has no rows");
    }

    [Fact]
    public void Json_lines_of_gsm8k_are_read()
    {
        var data = InstructionDataset.FromFile(Path.Combine(AppContext.BaseDirectory, "Data", "gsm8k.jsonl"), Tokenizer, new() { Separator = "\n" });
        data.Count.ShouldBe(5);
        using var batch = data.GetBatch([0]);
        var labels = Ids(batch.Labels!).Where(label => label != X).Select(label => (int)label);
        Tokenizer.Decode(labels).ShouldEndWith("The answer is 2,317");
    }

    [Theory]
    [InlineData("{\"prompt\": \"a\", \"completion\": \"b\"}\n\n{\"prompt\": \"a\", }", "line 3: not valid JSON")]
    [InlineData("[1]", "line 1: expected a JSON object, but found an array")]
    [InlineData("{\"question\": \"a\", \"answer\": \"b\"}", "line 1: there is no field \"prompt\". Fields found: question, answer")]
    [InlineData("{\"prompt\": \"a\", \"completion\": 5}", "line 1: field \"completion\" must be a string, but is a number")]
    [InlineData("", "has no rows")]
    public void Bad_json_lines_are_named_by_file_and_line(string text, string expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["rows.jsonl"], text);
        var message = Should.Throw<DatasetException>(() => InstructionDataset.FromFile(folder["rows.jsonl"], Tokenizer)).Message;
        message.ShouldContain(expected);
        message.ShouldContain("rows.jsonl");
    }

    [Property]
    public void Each_epoch_shows_every_row_once_in_an_order_that_seed_and_epoch_decide(PositiveInt count, PositiveInt batchSize, int seed, byte epoch, bool group)
    {
        var data = TrainingDataset.From(count.Get, _ => throw new NotSupportedException(), lengthOf: row => row % 3);
        var batches = data.Batches(batchSize.Get, seed, epoch, group);
        batches.SelectMany(rows => rows).Order().ShouldBe(Enumerable.Range(0, count.Get));
        batches.ShouldAllBe(rows => rows.Length <= batchSize.Get);
        data.Batches(batchSize.Get, seed, epoch, group).SelectMany(rows => rows).ShouldBe(batches.SelectMany(rows => rows));
    }

    [Fact]
    public void Orders_differ_between_epochs_and_between_seeds()
    {
        var data = TrainingDataset.From(50, _ => throw new NotSupportedException());
        int[] Order(int seed, int epoch) => [.. data.Batches(50, seed, epoch).Single()];
        Order(1, 0).ShouldNotBe(Order(1, 1));
        Order(1, 0).ShouldNotBe(Order(2, 0));
    }

    [Fact]
    public void Grouping_by_length_saves_padding()
    {
        var rows = Enumerable.Range(0, 200).Select(i => new InstructionRow("", new string('a', 1 + i * 37 % 50)));
        var data = new InstructionDataset(rows, Tokenizer);
        long Padding(bool group) => data.Batches(8, 1, 0, group).Sum(batch => batch.Max(data.LengthOf) * batch.Length - batch.Sum(data.LengthOf));
        Padding(group: true).ShouldBeLessThan(Padding(group: false) / 5);
    }

    [Fact]
    public void Tensors_are_rows()
    {
        var data = TrainingDataset.From(arange(6).view(3, 2), arange(3));
        using var batch = data.GetBatch([2, 0]);
        Ids(batch.InputIds).ShouldBe([4, 5, 0, 1]);
        Ids(batch.Labels!).ShouldBe([2, 0]);
        batch.Weight.ShouldBe(2);
        Should.Throw<ArgumentException>(() => TrainingDataset.From(ones(3, 2), ones(2))).Message.ShouldContain("3 rows of inputs, but 2 rows of labels");
    }

    private static long[] Ids(Tensor tensor) => tensor.contiguous().data<long>().ToArray();
}
