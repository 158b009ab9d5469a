namespace Peft.Core.Tests.Training;

/// <summary>Micro-batches under a bound on memory, with a model that finds none for more than some rows.</summary>
public sealed class MaxMemoryTests : IDisposable
{
    private const long Plenty = 1L << 50;

    private readonly TemporaryFolder folder = new();

    [Fact]
    public void A_batch_that_fits_runs_whole_after_a_few_small_steps()
    {
        var model = new Rowwise();
        var result = Train(model, new() { MaxSteps = 5 });
        model.Seen.ShouldBe([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 8]);
        result.Losses.Zip(Unbounded(5).Losses).ShouldAllBe(pair => Math.Abs(pair.First - pair.Second) < 1e-4 * pair.Second);   // sums in another order
    }

    [Fact]
    public void A_step_without_memory_is_repeated_in_smaller_parts()
    {
        var model = new Rowwise { Most = 3 };
        var result = Train(model, new() { MaxSteps = 6 });
        model.Refused.ShouldBe(1);
        model.Seen.TakeLast(12).ShouldAllBe(rows => rows == 2);
        var expected = Unbounded(6);
        result.Losses.Zip(expected.Losses).ShouldAllBe(pair => Math.Abs(pair.First - pair.Second) < 1e-4 * pair.Second);
        result.Tokens.ShouldBe(expected.Tokens);
    }

    [Fact]
    public void A_resumed_run_goes_on_with_the_size_of_its_checkpoint()
    {
        var options = new TrainingOptions { MaxSteps = 8, OutputFolder = folder["whole"], SaveEverySteps = 4, KeepCheckpoints = null };
        var whole = Train(new Rowwise { Most = 3 }, options);
        var model = new Rowwise { Most = 3 };
        var resume = options with { OutputFolder = folder["resumed"], ResumeFrom = Path.Combine(folder["whole"], "checkpoint-4") };
        Train(model, resume).Losses.ShouldBe(whole.Losses);   // bit for bit
        model.Refused.ShouldBe(0);
        model.Seen.ShouldAllBe(rows => rows == 2);
        var other = new Rowwise();
        Train(other, resume with { OutputFolder = folder["other"], MaxMemory = Plenty / 2 });
        other.Seen[0].ShouldBe(1);   // another bound is measured anew
    }

    [Fact]
    public void Rows_without_memory_and_a_loss_that_is_not_divided_end_in_one_exception()
    {
        var error = Should.Throw<NotEnoughMemoryException>(() => Train(new Rowwise { Most = 0 }, new() { MaxSteps = 1 }));
        error.Message.ShouldContain("MaxMemory is 1,048,576.0 GiB, but a step ran out of memory");
        error.Message.ShouldContain("(no memory for 1 rows)");
        error.Message.ShouldContain("one row with 4 positions");
        error.Message.ShouldContain("use shorter rows");
        var line = new Rowwise { Most = 3 };
        var own = new Trainer(new ModuleTrainable(line), Runs.Rows(8), new() { MaxMemory = Plenty, MaxSteps = 1 }) { Loss = line.Loss };
        Should.Throw<NotEnoughMemoryException>(() => own.Train()).Message.ShouldContain("8 rows with 32 positions and cannot be divided further (by this objective, model or adapter): use a smaller BatchSize with GradientAccumulation");
        Should.Throw<NotEnoughMemoryException>(() => Unbounded(1, new Rowwise { Most = 3 })).Message.ShouldBe("no memory for 8 rows");
    }

    [Fact]
    public void The_result_holds_the_peak_of_each_phase()
    {
        var plain = Unbounded(1).Memory;
        (plain.Start > 1 << 20, plain.Training > 1 << 20, plain.Evaluation, plain.Saving).ShouldBe((true, true, null, null));
        var trainer = new Trainer(Runs.Line(), Runs.Rows(8), new() { MaxSteps = 1, OutputFolder = folder["run"] }) { Evaluation = Runs.Rows(8) };
        var memory = trainer.Train().Memory;
        (memory.Evaluation > 1 << 20, memory.Saving > 1 << 20).ShouldBe((true, true));
    }

    private static TrainingResult Unbounded(int steps, Rowwise? model = null) => Train(model ?? new(), new() { MaxSteps = steps }, bound: null);

    private static TrainingResult Train(Rowwise model, TrainingOptions options, long? bound = Plenty)
        => new Trainer(new ModuleTrainable(model), Runs.Rows(64), options with { MaxMemory = options.MaxMemory ?? bound, LearningRate = 0.05, ParallelParts = 1 }).Train();

    public void Dispose() => folder.Dispose();
}
