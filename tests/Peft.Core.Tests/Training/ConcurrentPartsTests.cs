namespace Peft.Core.Tests.Training;

/// <summary>Parts of a batch on several threads, if the model permits them.</summary>
public class ConcurrentPartsTests
{
    [Fact]
    public void Parts_run_on_threads_of_their_own()
    {
        var model = new Rowwise();
        var losses = Train(model, parts: 2);
        model.Calls.ShouldAllBe(call => call.Rows == 4);
        model.Calls.Select(call => call.Thread).Distinct().Count().ShouldBe(2);
        losses.Zip(Train(new(), parts: 1)).ShouldAllBe(pair => Math.Abs(pair.First - pair.Second) < 1e-5 * pair.Second);
    }

    [Fact]
    public void A_model_that_refuses_concurrent_parts_gets_whole_batches_on_the_thread_of_the_caller()
    {
        var model = new Rowwise { PartsRunConcurrently = false };
        Train(model, parts: 2).ShouldBe(Train(new(), parts: 1));   // bit for bit
        model.Calls.ShouldAllBe(call => call.Rows == 8 && call.Thread == Environment.CurrentManagedThreadId);
    }

    [Fact]
    public void A_model_that_refuses_concurrent_parts_gets_them_one_after_another_under_a_bound_on_memory()
    {
        var model = new Rowwise { PartsRunConcurrently = false, Most = 4 };
        var losses = Train(model, parts: 2, bound: 1L << 50);
        losses.Zip(Train(new(), parts: 1)).ShouldAllBe(pair => Math.Abs(pair.First - pair.Second) < 1e-5 * pair.Second);
        model.Calls.TakeLast(2).ShouldAllBe(call => call.Rows == 4 && call.Thread == Environment.CurrentManagedThreadId);
    }

    private static IReadOnlyList<double> Train(Rowwise model, int parts, long? bound = null)
        => new Trainer(new ModuleTrainable(model), Runs.Rows(64), new() { MaxSteps = 5, BatchSize = 8, LearningRate = 0.05, ParallelParts = parts, MaxMemory = bound }).Train().Losses;
}
