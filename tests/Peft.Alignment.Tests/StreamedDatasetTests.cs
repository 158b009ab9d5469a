using System.Text.Json.Nodes;
using Peft.Models;

namespace Peft.Alignment.Tests;

public sealed class StreamedDatasetTests : IDisposable
{
    private const int Rows = 23;
    private static readonly string Stories = Path.Combine(AppContext.BaseDirectory, "Data", "models", "stories260K");
    private readonly TemporaryFolder folder = new();
    private readonly Tokenizer tokenizer = Tokenizer.FromPretrained(Stories);

    public void Dispose() => folder.Dispose();

    private static Dataset Data => Dataset.Of(Enumerable.Range(0, Rows).Select(i => new JsonObject { ["text"] = string.Concat(Enumerable.Repeat($"Once upon a time {i}. ", 1 + (i % 4))) }), "stories");

    private StreamedDataset Stream(Dataset data, StreamOptions? options = null) => StreamedDataset.From(data, rows => SftDataset.From(rows, tokenizer), options);

    private static long[] Ids(TrainingDataset data, int[] rows, int? epoch = null)
    {
        using var batch = epoch is { } number ? data.GetBatch(rows, number) : data.GetBatch(rows);
        return batch.InputIds.data<long>().ToArray();
    }

    [Fact]
    public void Batches_are_those_of_a_dataset_in_memory()
    {
        using var stream = Stream(Data);
        var memory = SftDataset.From(Data, tokenizer);
        stream.Count.ShouldBe(Rows);
        foreach (var _ in new[] { 1, 2 })
            foreach (var rows in stream.Batches(4)) Ids(stream, rows).ShouldBe(Ids(memory, rows));
        Ids(stream, [7, 8, 9]).ShouldBe(Ids(memory, [7, 8, 9]), "a batch out of turn");
    }

    [Fact]
    public void An_epoch_has_the_order_of_a_shuffled_dataset_and_each_epoch_another()
    {
        using var stream = Stream(Data, new() { ShuffleBuffer = 10 });
        using var again = Stream(Data, new() { ShuffleBuffer = 10, BatchesAhead = 1 });
        var epochs = new[] { 0, 1 }.Select(epoch => stream.Batches(4, shuffleSeed: 5, epoch).Select(rows => Ids(stream, rows, epoch)).ToList()).ToList();
        epochs[0].SelectMany(ids => ids).ShouldNotBe(epochs[1].SelectMany(ids => ids));
        foreach (var epoch in new[] { 1, 0 })
        {
            // From the third batch on, as a resumed run reads them.
            foreach (var (rows, i) in again.Batches(4, shuffleSeed: 5, epoch).Select((rows, i) => (rows, i)).Skip(2)) Ids(again, rows, epoch).ShouldBe(epochs[epoch][i]);
            var texts = again.Batches(1, shuffleSeed: 5, epoch).Select(rows => string.Join(' ', Ids(again, rows, epoch)));
            texts.Order(StringComparer.Ordinal).ShouldBe(Enumerable.Range(0, Rows).Select(row => string.Join(' ', Ids(SftDataset.From(Data, tokenizer), [row]))).Order(StringComparer.Ordinal));
        }
    }

    [Fact]
    public void No_more_batches_wait_than_were_allowed()
    {
        var counted = new CountedRows(Data);
        using var stream = Stream(counted, new() { BatchesAhead = 2 });
        foreach (var (rows, i) in stream.Batches(2).Select((rows, i) => (rows, i)))
        {
            Ids(stream, rows);
            // Those that were read, those that wait, the one that waits to join them, and the next of its enumerator.
            counted.Most.ShouldBeLessThanOrEqualTo((i + 1 + 2 + 1) * 2);
        }
    }

    [Fact]
    public void An_error_is_thrown_when_its_batch_is_read_and_again_each_time()
    {
        using var stream = Stream(Dataset.Of(Enumerable.Range(0, Rows).Select(i => new JsonObject { [i == 9 ? "wrong" : "text"] = $"Row {i}" }), "stories"));
        for (var row = 0; row < 8; row += 4) Ids(stream, [row, row + 1, row + 2, row + 3]);
        foreach (var _ in new[] { 1, 2 }) Should.Throw<DatasetException>(() => Ids(stream, [8, 9, 10, 11])).Message.ShouldContain("Row 9 of stories");
        Ids(stream, [0, 1]).Length.ShouldBeGreaterThan(0);
    }

    [Fact]
    public void Disposal_ends_the_work()
    {
        var counted = new CountedRows(Data);
        var stream = Stream(counted, new() { BatchesAhead = 1 });
        counted.Open.ShouldBe(0);
        Ids(stream, [0, 1]);
        stream.Dispose();
        counted.Open.ShouldBe(0, "the enumeration has ended, and its file is closed");
        stream.Dispose();
    }

    [Fact]
    public void Rows_that_become_fewer_are_noticed()
    {
        var rows = Enumerable.Range(0, 6).Select(i => new JsonObject { ["text"] = $"Row {i}" }).ToList();
        using var stream = Stream(Dataset.Of(rows, "stories"));
        rows.RemoveRange(2, 4);
        Ids(stream, [0, 1]);
        Should.Throw<DatasetException>(() => Ids(stream, [2, 3])).Message.ShouldContain("had 6 rows");
    }

    [Fact]
    public void What_a_stream_cannot_do_is_refused()
    {
        using var stream = Stream(Data);
        Should.Throw<DatasetException>(() => stream.Batches(4, groupByLength: true)).Message.ShouldContain("leave GroupByLength out");
        Should.Throw<DatasetException>(() => stream.GetBatch([0, 2])).Message.ShouldContain("2 follows 0");
        Should.Throw<DatasetException>(() => Stream(Dataset.Of([], "nothing"))).Message.ShouldContain("has no rows");
        Should.Throw<ArgumentOutOfRangeException>(() => Stream(Data, new() { BatchesAhead = 0 }));
    }

    [Fact]
    public void A_run_that_is_interrupted_and_resumed_ends_as_one_that_was_not()
    {
        var whole = Run(new() { MaxSteps = 9, BatchSize = 4, Seed = 3 });
        Run(new() { MaxSteps = 9, BatchSize = 4, Seed = 3, OutputFolder = folder["out"], SaveEverySteps = 7 }, stopAt: 7);
        var resumed = Run(new() { MaxSteps = 9, BatchSize = 4, Seed = 3, ResumeFrom = Trainer.FindLastCheckpoint(folder["out"]) });
        resumed.ShouldBe(whole);

        IReadOnlyList<double> Run(TrainingOptions options, int? stopAt = null)
        {
            using var stream = Stream(Data, new() { ShuffleBuffer = 8 });
            using var model = CausalLM.FromPretrained(Stories);
            using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4 });
            using var stop = new CancellationTokenSource();
            var trainer = SftTrainer.Create(peft, stream, training: options);
            try
            {
                return trainer.Train(new Progress(step =>
                {
                    if (step.Step == stopAt) stop.Cancel();
                }), stop.Token).Losses;
            }
            catch (TrainingCanceledException stopped)
            {
                return stopped.Result.Losses;
            }
        }
    }

    private sealed class Progress(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }

    /// <summary>Counts the rows that an enumeration has read, and the enumerations that go on.</summary>
    private sealed class CountedRows(Dataset rows) : Dataset
    {
        private int open, most;

        public int Most => Volatile.Read(ref most);

        public int Open => Volatile.Read(ref open);

        public override string Name => rows.Name;

        public override IEnumerator<DatasetRow> GetEnumerator()
        {
            Interlocked.Increment(ref open);
            most = 0;
            try
            {
                foreach (var row in rows)
                {
                    Interlocked.Increment(ref most);
                    yield return row;
                }
            }
            finally
            {
                Interlocked.Decrement(ref open);
            }
        }
    }
}
