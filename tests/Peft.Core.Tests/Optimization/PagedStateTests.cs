using Peft.Core.Tests.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Optimization;

/// <summary>Optimizer states in files give the same bits, leave no files, and say when the disk is full.</summary>
public sealed class PagedStateTests : IDisposable
{
    private readonly TemporaryFolder pages = new();

    public static TheoryData<FlatOptimizerOptions> Kinds => [new AdamWOptions { WeightDecay = 0.1 }, new AdamW8BitOptions { WeightDecay = 0.1, SmallestRounded = 100 }];

    private FlatOptimizerOptions Paged(FlatOptimizerOptions options)
        => options is AdamWOptions own ? own with { Paged = true, PageFolder = pages } : ((AdamW8BitOptions)options) with { Paged = true, PageFolder = pages };

    [Theory, MemberData(nameof(Kinds))]
    public void Three_hundred_steps_are_equal_bit_for_bit(FlatOptimizerOptions kind)
    {
        using var scope = NewDisposeScope();
        var results = new List<(float[] Values, List<Tensor> State)>();
        foreach (var options in new[] { kind, Paged(kind) })
        {
            using var random = new Generator(4);
            var own = new[] { (40, 50), (1, 7), (60, 40), (5, 1) }.Select((shape, i) => new TrainableTensor($"t{i}", new Parameter(randn(shape.Item1, shape.Item2, generator: random)))).ToArray();
            using var flat = new FlatParameters(own);
            using var optimizer = options.Create(flat, 0.01);
            for (var step = 0; step < 300; step++)
            {
                foreach (var each in own) each.Value.grad!.copy_(randn(each.Value.shape, generator: random));
                optimizer.Step(1.0 / (1 + step * 0.01));
                // Files are unlinked while they are in use, but on Windows.
                if (!OperatingSystem.IsWindows()) pages.FileNames.ShouldBeEmpty();
            }
            results.Add(([.. own.SelectMany(each => each.Value.Values<float>())], [.. optimizer.GetState().OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => pair.Value.clone())]));
        }
        results[1].Values.ShouldBe(results[0].Values);
        foreach (var (paged, expected) in results[1].State.Zip(results[0].State)) paged.bytes.ToArray().ShouldBe(expected.bytes.ToArray());
        pages.FileNames.ShouldBeEmpty();
    }

    [Theory, MemberData(nameof(Kinds))]
    public void A_run_is_resumed_with_either_kind_of_state(FlatOptimizerOptions kind)
    {
        using var folder = new TemporaryFolder();
        var options = new TrainingOptions { Epochs = 3, BatchSize = 3, LearningRate = 0.02, Optimizer = kind, OutputFolder = folder["whole"] };
        var whole = Runs.Network();
        new Trainer(whole, Runs.Rows(24), options).Train();
        foreach (var (first, second) in new[] { (Paged(kind), Paged(kind)), (kind, Paged(kind)), (Paged(kind), kind) })
        {
            using var part = new TemporaryFolder();
            new Trainer(Runs.Network(), Runs.Rows(24), options with { Optimizer = first, OutputFolder = part })
            {
                Callbacks = [new Steps((step, control) => { if (step.Step == 7) control.Stop(); })],
            }.Train();
            var resumed = Runs.Network();
            new Trainer(resumed, Runs.Rows(24), options with { Optimizer = second, OutputFolder = part, ResumeFrom = Trainer.FindLastCheckpoint(part) }).Train();
            resumed.Numbers().ShouldBe(whole.Numbers());
        }
        pages.FileNames.ShouldBeEmpty();
    }

    [Fact]
    public void A_full_disk_is_named()
    {
        using var memory = new PagedMemory(pages);
        Should.Throw<TrainingException>(() => memory.Zeros([1L << 40, 1 << 10], ScalarType.Float32)).Message.ShouldContain($"cannot be written to {pages.Path}, which has ");
        pages.FileNames.ShouldBeEmpty();
        using var empty = memory.Zeros([0, 3], ScalarType.Float32);
        empty.shape.ShouldBe([0, 3]);
        using var some = memory.Zeros([3, 5], ScalarType.Float64);
        some.Values<double>().ShouldAllBe(value => value == 0);
    }

    [Fact]
    public void Wrong_settings_are_named()
    {
        using var flat = new FlatParameters([Trainables.Trainable("p", ones(4))]);
        Should.Throw<TrainingException>(() => new AdamWOptions { Paged = true, PageFolder = pages["none"] }.Create(flat, 0.1)).Message.ShouldContain("does not exist");
        Should.Throw<ArgumentException>(() => new AdamWOptions { PageFolder = pages }.Create(flat, 0.1)).Message.ShouldContain("only with Paged");
        Should.Throw<ArgumentException>(() => new AdamW8BitOptions { Paged = true, PageFolder = " " }.Create(flat, 0.1)).Message.ShouldContain("PageFolder is empty");
        // The run that could not begin leaves the model trainable.
        var model = Runs.Line();
        Should.Throw<TrainingException>(() => new Trainer(model, Runs.Rows(8), new() { MaxSteps = 1, Optimizer = new AdamWOptions { Paged = true, PageFolder = pages["none"] } }).Train());
        new Trainer(model, Runs.Rows(8), new() { MaxSteps = 2 }).Train().Losses.Count.ShouldBe(2);
    }

    public void Dispose() => pages.Dispose();
}
