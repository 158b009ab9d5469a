using Peft.Core.Tests.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Optimization;

/// <summary>Optimizer states in files are no part of the memory that a bound counts.</summary>
[Collection(Alone.Name)]
public sealed class PagedMemoryTests : IDisposable
{
    private const long Megabyte = 1 << 20;

    private readonly TemporaryFolder pages = new();

    [Fact]
    public void Evicted_states_leave_resident_memory_and_keep_their_values()
    {
        if (!OperatingSystem.IsLinux()) return;
        const int Count = 16 << 20;
        using var memory = new PagedMemory(pages);
        using var values = memory.Zeros([Count], ScalarType.Float32);
        using var expected = arange(Count, ScalarType.Float32);
        values.copy_(expected);
        var before = MemoryMeter.Resident;
        memory.Evict();
        (before - MemoryMeter.Resident).ShouldBeGreaterThan(Count * 4L - 4 * Megabyte);
        values.eq(expected).all().item<bool>().ShouldBeTrue();
    }

    // The moments take 128 MB. Beside parameters and gradients, the steps have 96, of which they need 64.
    [Fact]
    public void A_bounded_run_does_not_count_them()
    {
        if (!OperatingSystem.IsLinux()) return;
        var options = new TrainingOptions { MaxSteps = 4, BatchSize = 4, LearningRate = 1e-3, ParallelParts = 1, MaxGradientNorm = null };
        TrainingResult Train(AdamWOptions optimizer)
        {
            using var model = new Wide();
            MemoryMeter.Trim();
            return new Trainer(new ModuleTrainable(model), Runs.Rows(16), options with { MaxMemory = MemoryMeter.Resident + Wide.Bytes + 96 * Megabyte, Optimizer = optimizer }).Train();
        }
        Train(new() { Paged = true, PageFolder = pages }).Losses.Count.ShouldBe(4);
        Should.Throw<NotEnoughMemoryException>(() => Train(new()));
    }

    public void Dispose() => pages.Dispose();

    // A line beside many parameters that only the optimizer's state makes large.
    private sealed class Wide : nn.Module<Tensor, Tensor>, ILossModel
    {
        public const long Bytes = 64 * Megabyte;

        private readonly TorchSharp.Modules.Linear layer = nn.Linear(4, 1);
        private readonly Parameter many = new(ones(Bytes / sizeof(float)));

        public Wide() : base("wide") => RegisterComponents();

        public override Tensor forward(Tensor input) => layer.call(input);

        public Tensor Loss(Batch batch) => nn.functional.mse_loss(call(batch.InputIds), batch.Labels!).add(many.sum(), alpha: 1e-9);
    }
}
