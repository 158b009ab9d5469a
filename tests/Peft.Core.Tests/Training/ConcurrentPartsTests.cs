using System.Collections.Concurrent;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Training;

/// <summary>Parts of a batch on several threads, if the model permits them.</summary>
public class ConcurrentPartsTests
{
    [Fact]
    public void Parts_run_on_threads_of_their_own()
    {
        var model = new Rowwise(concurrent: true);
        var losses = Train(model, parts: 2);
        model.Calls.ShouldAllBe(call => call.Rows == 4);
        model.Calls.Select(call => call.Thread).Distinct().Count().ShouldBe(2);
        losses.Zip(Train(new(concurrent: true), parts: 1)).ShouldAllBe(pair => Math.Abs(pair.First - pair.Second) < 1e-5 * pair.Second);
    }

    [Fact]
    public void A_model_that_refuses_concurrent_parts_gets_whole_batches_on_the_thread_of_the_caller()
    {
        var model = new Rowwise(concurrent: false);
        Train(model, parts: 2).ShouldBe(Train(new(concurrent: true), parts: 1));   // bit for bit
        model.Calls.ShouldAllBe(call => call.Rows == 8 && call.Thread == Environment.CurrentManagedThreadId);
    }

    [Fact]
    public void A_model_that_refuses_concurrent_parts_gets_them_one_after_another_under_a_bound_on_memory()
    {
        var model = new Rowwise(concurrent: false) { Most = 4 };
        var losses = Train(model, parts: 2, bound: 1L << 50);
        losses.Zip(Train(new(concurrent: true), parts: 1)).ShouldAllBe(pair => Math.Abs(pair.First - pair.Second) < 1e-5 * pair.Second);
        model.Calls.TakeLast(2).ShouldAllBe(call => call.Rows == 4 && call.Thread == Environment.CurrentManagedThreadId);
    }

    private static IReadOnlyList<double> Train(Rowwise model, int parts, long? bound = null)
        => new Trainer(new ModuleTrainable(model), Runs.Rows(64), new() { MaxSteps = 5, BatchSize = 8, LearningRate = 0.05, ParallelParts = parts, MaxMemory = bound }).Train().Losses;

    private sealed class Rowwise : nn.Module<Tensor, Tensor>, ILossModel
    {
        private readonly TorchSharp.Modules.Linear layer;

        public Rowwise(bool concurrent) : base("rowwise")
        {
            manual_seed(5);
            layer = nn.Linear(4, 1);
            PartsRunConcurrently = concurrent;
            RegisterComponents();
        }

        public bool PartsRunConcurrently { get; }

        public int Most { get; init; } = int.MaxValue;

        public ConcurrentQueue<(long Rows, int Thread)> Calls { get; } = [];

        public override Tensor forward(Tensor input) => layer.call(input);

        public Tensor Loss(Batch batch)
        {
            var rows = batch.InputIds.shape[0];
            if (rows > Most) throw new NotEnoughMemoryException($"no memory for {rows} rows");
            Calls.Enqueue((rows, Environment.CurrentManagedThreadId));
            return nn.functional.mse_loss(call(batch.InputIds), batch.Labels!);
        }

        public IReadOnlyList<Batch> Divide(Batch batch, int parts)
        {
            var rows = (int)batch.InputIds.shape[0];
            parts = Math.Min(parts, rows);
            return parts < 2 ? [batch] : [.. Enumerable.Range(0, parts).Select(part => (Start: rows * part / parts, End: rows * (part + 1) / parts)).Select(run => batch.Rows(run.Start, run.End - run.Start, run.End - run.Start)!)];
        }
    }
}
