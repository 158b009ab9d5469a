using Peft.Training.TestHost;
using TorchSharp;

namespace Peft.Core.Tests.Training;

[Collection(Alone.Name)]
public class MemoryTests
{
    [Fact]
    public void Two_thousand_steps_need_no_more_memory_than_four_hundred()
    {
        var (tensors, memory) = (new List<long>(), new MemorySeries());
        var data = TrainingDataset.From(256, rows =>
        {
            var inputs = TorchSharp.torch.ones(rows.Count, 4);
            return new() { InputIds = inputs, Labels = inputs.sum(1, keepdim: true) };
        });
        new Trainer(Runs.Network(), data, new() { MaxSteps = 2000, GradientAccumulation = 2, EvaluateEverySteps = 100, LearningRate = 0.01 })
        {
            Evaluation = Runs.Rows(16),
            Callbacks =
            [
                new Steps((step, _) =>
                {
                    if (step.Step % 400 != 0) return;
                    tensors.Add(DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
                    memory.Add();
                }),
            ],
        }.Train();
        tensors.ShouldAllBe(count => count == tensors[0]);
        memory.ManagedGrowth.ShouldBeLessThan(400 * 200);   // a step keeps some 130 bytes: its loss, and a constant of the optimizer as long as few are kept (Scalars)
        memory.ResidentGrowth.ShouldBeLessThan(20L << 20);   // 1,600 lost graphs of this network would be some 30 MB; the allocator's slack is less
    }
}
