using Peft.Training.TestHost;
using TorchSharp;

namespace Peft.Core.Tests.Training;

[Collection(Alone.Name)]
public class MemoryTests
{
    [Fact]
    public void Two_thousand_steps_need_no_more_memory_than_five_hundred()
    {
        var (tensors, managed, resident) = (new List<long>(), new List<long>(), new List<long>());
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
                    if (step.Step % 500 != 0) return;
                    tensors.Add(DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
                    managed.Add(GC.GetTotalMemory(forceFullCollection: true));
                    resident.Add(ResidentKilobytes());
                }),
            ],
        }.Train();
        tensors.ShouldAllBe(count => count == tensors[0]);
        managed[^1].ShouldBeLessThan(managed[0] + 500_000);   // a step keeps some 130 bytes: its loss, and a constant of the optimizer as long as few are kept (Scalars)
        resident[^1].ShouldBeLessThan(resident[0] + 20_000);   // 1,500 lost graphs of this network would be some 30 MB; the allocator's slack is less
    }

    // On other systems the two counts above must do.
    private static long ResidentKilobytes()
        => File.Exists("/proc/self/status")
            ? long.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmRSS:")).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture)
            : 0;
}
