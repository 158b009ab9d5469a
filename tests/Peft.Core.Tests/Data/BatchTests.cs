using Peft.Core.Tests.FineTuning;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Data;

public sealed class BatchTests
{
    [Fact]
    public void A_batch_counts_its_own_tokens()
    {
        using var ids = new Batch { InputIds = zeros(2, 5, dtype: ScalarType.Int64) };
        ids.Tokens.ShouldBe(10);
        using var padded = new Batch { InputIds = zeros(2, 5, dtype: ScalarType.Int64), AttentionMask = tensor(new long[,] { { 1, 1, 1, 0, 0 }, { 1, 1, 1, 1, 1 } }) };
        padded.Tokens.ShouldBe(8);
        using var packed = new Batch { InputIds = zeros(1, 7, dtype: ScalarType.Int64), PackedLengths = [3, 4] };
        packed.Tokens.ShouldBe(7);
        using var numbers = new Batch { InputIds = zeros(3, 16) };
        numbers.Tokens.ShouldBe(3);
        using var told = new Batch { InputIds = zeros(2, 5, dtype: ScalarType.Int64), Tokens = 4 };
        told.Tokens.ShouldBe(4);
        using var part = padded.Rows(0, 1, 1)!;
        part.Tokens.ShouldBe(4);   // its share
    }

    [Fact]
    public void A_run_reports_the_tokens_of_batches_that_tell_none()
    {
        using var model = Tower.Create();
        using var peft = model.ApplyFull();
        var data = TrainingDataset.From(4, rows => Batch(rows.Count));
        new Trainer(peft, data, new TrainingOptions { MaxSteps = 2, BatchSize = 2 }).Train().Tokens.ShouldBe(2 * 2 * 6);
    }

    [Fact]
    public void Rows_are_grouped_by_length_or_the_trainer_says_that_they_cannot_be()
    {
        using var model = Tower.Create();
        using var peft = model.ApplyFull();
        var options = new TrainingOptions { MaxSteps = 1, BatchSize = 2, GroupByLength = true };
        var without = TrainingDataset.From(4, rows => Batch(rows.Count), "my rows");
        var with = TrainingDataset.From(4, rows => Batch(rows.Count), lengthOf: row => row % 2);
        Should.Throw<TrainingException>(() => new Trainer(peft, without, options).Train()).Message.ShouldContain("The dataset my rows does not know how long its rows are");
        Should.Throw<TrainingException>(() => new Trainer(peft, with, options) { Evaluation = without }.Train()).Message.ShouldContain("my rows");
        using var inputs = Ids(4);
        Should.Throw<TrainingException>(() => new Trainer(peft, TrainingDataset.From(inputs), options).Train()).Message.ShouldContain("tensor dataset");
        Should.Throw<DatasetException>(() => without.Batches(2, groupByLength: true)).Message.ShouldContain("lengthOf");
        new Trainer(peft, with, options).Train().Steps.ShouldBe(1);
        with.Batches(2, groupByLength: true).Select(rows => rows.Select(row => row % 2).Distinct().Count()).ShouldAllBe(lengths => lengths == 1);
    }

    [Fact]
    public void Progress_is_printed_in_order_first_and_last_step_included()
    {
        using var model = Tower.Create();
        using var peft = model.ApplyFull();
        using var output = new StringWriter();
        var data = TrainingDataset.From(4, rows => Batch(rows.Count));
        new Trainer(peft, data, new TrainingOptions { MaxSteps = 25, BatchSize = 2, EvaluateEverySteps = 7 }) { Evaluation = data }.Train(new ProgressPrinter(output, lines: 5));
        var lines = output.ToString().Trim().Split(Environment.NewLine);
        lines.Select(line => int.Parse(line.Split(' ', '/')[1], System.Globalization.CultureInfo.InvariantCulture)).ShouldBe([1, 5, 8, 10, 15, 20, 22, 25]);
        lines.Count(line => line.Contains("evaluation after step", StringComparison.Ordinal)).ShouldBe(3);
        Should.Throw<ArgumentOutOfRangeException>(() => new ProgressPrinter(lines: 0));
    }

    private static Batch Batch(int rows) => new() { InputIds = Ids(rows), Labels = Ids(rows) };

    // [rows, 6]
    private static Tensor Ids(int rows) => arange(rows * 6, ScalarType.Int64).remainder(Tower.Words).view(rows, 6);

    [Fact]
    public void Some_of_the_packed_sequences()
    {
        using var batch = new Batch { InputIds = arange(0, 6, 1).view(1, 6), Labels = arange(10, 16, 1).view(1, 6), PackedLengths = [1, 3, 2], Weight = 6 };
        using var some = batch.Sequences([2, 0], 2.5)!;
        some.InputIds.data<long>().ToArray().ShouldBe([4, 5, 0]);
        some.Labels!.data<long>().ToArray().ShouldBe([14, 15, 10]);
        some.PackedLengths.ShouldBe([2, 1]);
        (some.Weight, some.Tokens).ShouldBe((2.5, 3));

        Should.Throw<ArgumentOutOfRangeException>(() => batch.Sequences([3], 1));
        Should.Throw<ArgumentOutOfRangeException>(() => batch.Sequences([-1], 1));
        Should.Throw<ArgumentOutOfRangeException>(() => batch.Sequences([], 1));
        using var rows = new Batch { InputIds = arange(0, 6, 1).view(2, 3) };
        rows.Sequences([0], 1).ShouldBeNull();
    }
}
