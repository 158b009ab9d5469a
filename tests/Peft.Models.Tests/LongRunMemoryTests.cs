namespace Peft.Models.Tests;

/// <summary>Long runs take no more memory than short ones.</summary>
[Collection(Alone.Name)]
public sealed class LongRunMemoryTests
{
    [Fact]
    public void Two_thousand_steps_in_parts_need_no_more_memory_than_four_hundred()
    {
        // The latest constants are kept, up to a bound (Scalars), which is reached here: how many of them other tests have used makes no difference.
        for (var i = 0; i < 1 << 17; i++) Scalars.Constant(i + 0.125);
        var memory = new MemorySeries();
        using var model = TinyModels.Create("llama", 30);
        using var peft = model.ApplyLora(rank: 2, targets: ModuleSelector.AllLinear);
        new Trainer(peft, ParallelTrainingTests.Rows(_ => { }, length: 16), new() { MaxSteps = 2000, BatchSize = 4, ParallelParts = 2, LearningRate = 1e-3 })
        {
            Callbacks =
            [
                new EachStep(step =>
                {
                    if (step % 400 == 0) memory.Add();
                }),
            ],
        }.Train();
        memory.ManagedGrowth.ShouldBeLessThan(400 * 200);   // a step keeps its loss
        memory.ResidentGrowth.ShouldBeLessThan(20L << 20);   // the allocator's slack; graphs that were lost would be many times that
    }

    private sealed class EachStep(Action<int> then) : ITrainerCallback
    {
        public void OnStepEnd(TrainingProgress progress, TrainerControl control) => then(progress.Step);
    }
}
