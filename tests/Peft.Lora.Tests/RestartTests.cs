using Peft.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Lora.Tests;

/// <summary>Restarts during training (ReLoRA).</summary>
public sealed class RestartTests : IDisposable
{
    private static readonly RestartOptions EveryFour = new() { Every = 4, WarmupSteps = 2, PrunedMoments = 0.5 };

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly TemporaryFolder folder = new();
    private readonly Tensor inputs, labels;

    public RestartTests()
    {
        manual_seed(3);
        inputs = randn(32, 6);
        labels = inputs.mm(randn(6, 3)).tanh();
    }

    public void Dispose()
    {
        folder.Dispose();
        scope.Dispose();
    }

    private static (UserModel Model, PeftModel Peft) Adapted(LoraOptions? options = null)
    {
        manual_seed(5);
        var model = new UserModel();
        return (model, model.ApplyAdapter(options ?? new LoraOptions { Rank = 1, Alpha = 2, TargetModules = ["enter", "0", "2"] }));
    }

    private TrainingResult Train(PeftModel peft, int steps, RestartOptions? restarts, Action<TrainingProgress>? each = null, string? output = null, string? resume = null, bool loadBest = false)
    {
        var rows = TrainingDataset.From(32, chosen =>
        {
            using var index = tensor(chosen.Select(row => (long)row).ToArray());
            return new() { InputIds = inputs.index_select(0, index), Labels = labels.index_select(0, index), Weight = chosen.Count };
        });
        var model = (UserModel)peft.Module;
        return new Trainer(peft, rows, new TrainingOptions
        {
            MaxSteps = steps, BatchSize = 8, LearningRate = 0.02, Schedule = LearningRateSchedule.Constant, Restarts = restarts, OutputFolder = output, SaveEverySteps = output is null ? null : 2, KeepCheckpoints = null,
            ResumeFrom = resume, LoadBestAtEnd = loadBest, EvaluateEverySteps = loadBest ? 2 : null,
        })
        {
            Loss = batch => nn.functional.mse_loss(model.call(batch.InputIds), batch.Labels!),
            Evaluation = loadBest ? rows : null,
            Callbacks = each is null ? [] : [new Steps(each)],
        }.Train();
    }

    private sealed class Steps(Action<TrainingProgress> each) : ITrainerCallback
    {
        public void OnStepEnd(TrainingProgress progress, TrainerControl control) => each(progress);
    }

    private static List<Tensor> All(PeftModel peft) => [.. peft.Module.parameters().Concat(peft.Trainables.Select(tensor => tensor.Value)).Select(each => each.detach().clone())];

    [Fact]
    public void A_restart_does_not_change_what_the_model_computes_and_several_exceed_the_rank()
    {
        // The same run up to the restart, with and without it.
        foreach (var (end, before) in new[] { (4, (RestartOptions?)null), (8, EveryFour), (12, EveryFour) })
        {
            var (plain, without) = Adapted();
            Train(without, end, before);
            var expected = plain.call(inputs);
            var (model, peft) = Adapted();
            var initial = model.parameters().Select(each => each.detach().clone()).ToList();
            Tensor? restarted = null;
            Train(peft, end + 1, EveryFour, step => restarted = step.Step == end ? model.call(inputs).detach() : restarted);
            restarted!.Difference(expected).ShouldBeLessThan(1e-5 * (1 + expected.Largest()), $"step {end}");   // float32, through five layers
            if (end < 12) continue;

            // The sum of three updates of rank 1.
            peft.MergeAndUnload();
            var changed = model.parameters().Zip(initial).Where(pair => pair.First.dim() == 2).Select(pair => pair.First - pair.Second).ToList();
            var ranks = changed.Select(delta => linalg.svd(delta, fullMatrices: false).S).Select(s => s.gt(s.max() * 1e-4).sum().item<long>() * (s.max().item<float>() > 0 ? 1 : 0)).ToList();
            ranks.Max().ShouldBeInRange(2, 4);
            ranks.Count(rank => rank > 1).ShouldBeGreaterThan(2);
        }
    }

    [Fact]
    public void Moments_are_pruned_and_the_learning_rate_rises_again()
    {
        var (_, peft) = Adapted();
        var rates = new List<double>();
        Train(peft, 7, EveryFour, step => rates.Add(step.LearningRate), output: folder["out"]);
        rates.ShouldBe([0.02, 0.02, 0.02, 0.02, 0, 0.01, 0.02], 1e-12);
        using var state = SafetensorsFile.Open(Path.Combine(folder["out"], "checkpoint-4", "training_state.safetensors"));
        var moments = state.Keys.Where(key => key.StartsWith("exp_avg", StringComparison.Ordinal)).ToList();
        moments.Count.ShouldBe(2 * peft.Trainables.Count);
        foreach (var key in moments) state.Read(key).count_nonzero().item<long>().ShouldBeLessThanOrEqualTo((long)Math.Ceiling(state.Read(key).numel() / 2.0), key);
        // After its own restart B is zero, and A is not what it was.
        state.Read(state.Keys.First(key => key.StartsWith("parameter.", StringComparison.Ordinal) && key.Contains("lora_B", StringComparison.Ordinal))).abs().max().item<float>().ShouldBe(0);
        File.Exists(Path.Combine(folder["out"], "checkpoint-4", AdapterConfig.FileName)).ShouldBeFalse();
    }

    [Theory]
    [InlineData(2)]    // before any restart
    [InlineData(4)]    // right after one
    [InlineData(10)]
    public void A_resumed_run_ends_with_the_same_bits_in_the_base_weights_too(int step)
    {
        var (_, peft) = Adapted();
        var losses = Train(peft, 14, EveryFour, output: folder["out"]).Losses;
        var whole = All(peft);
        var (_, again) = Adapted();
        Train(again, 14, EveryFour, resume: Path.Combine(folder["out"], $"checkpoint-{step}")).Losses.ShouldBe(losses);
        foreach (var (expected, actual) in whole.Zip(All(again))) actual.Difference(expected).ShouldBe(0);
        again.HasRestarted.ShouldBeTrue();

        var (_, other) = Adapted();
        Should.Throw<TrainingException>(() => Train(other, 14, null, resume: Path.Combine(folder["out"], $"checkpoint-{step}"))).Message.ShouldContain("Restarts");
    }

    [Fact]
    public void The_best_weights_are_those_of_base_and_adapter_together()
    {
        var (model, peft) = Adapted();
        var best = Train(peft, 14, EveryFour, loadBest: true).Best!;
        nn.functional.mse_loss(model.call(inputs), labels).item<float>().ShouldBe((float)best.Loss, 1e-5);
    }

    [Fact]
    public void The_adapter_alone_cannot_be_saved_but_the_merged_model_can()
    {
        var (model, peft) = Adapted();
        Train(peft, 5, EveryFour);
        peft.HasRestarted.ShouldBeTrue();
        Should.Throw<PeftException>(() => peft.SaveAdapter(folder)).Message.ShouldContain("MergeAndUnload");
        Should.Throw<PeftException>(() => peft.SaveAsPlainLora(folder)).Message.ShouldContain("MergeAndUnload");
        Should.Throw<PeftException>(() => peft.Add("other", new LoraOptions { TargetModules = ["leave"] })).Message.ShouldContain("MergeAndUnload");
        var before = model.call(inputs);
        peft.MergeAndUnload();
        model.call(inputs).Difference(before).ShouldBeLessThan(1e-5);
        using var next = model.ApplyLora(targets: ["leave"]);
        next.SaveAdapter(folder);
    }

    [Fact]
    public void What_cannot_restart_is_refused_before_training()
    {
        void Refused(PeftModel peft, string reason, RestartOptions? restarts = null) => Should.Throw<TrainingException>(() => Train(peft, 5, restarts ?? EveryFour)).Message.ShouldContain(reason);
        Refused(Adapted(new LoraOptions { UseDora = true, TargetModules = ["enter"] }).Peft, "DoraLayer");
        Refused(Adapted(new LoraOptions { UseLoraBias = true, TargetModules = ["enter"] }).Peft, "bias");
        Refused(Adapted(new LoraOptions { Initialization = LoraInitialization.Pissa, Rank = 1, TargetModules = ["enter"] }).Peft, "initialized from the weight");
        Refused(Adapted(new LoraOptions { Bias = "all", TargetModules = ["enter"] }).Peft, "BiasLayer");
        Refused(Adapted().Peft, "Every", new RestartOptions { Every = 0 });
        Refused(Adapted().Peft, "WarmupSteps", new RestartOptions { Every = 4, WarmupSteps = 4 });
        Refused(Adapted().Peft, "PrunedMoments", EveryFour with { PrunedMoments = 2 });
        var (_, two) = Adapted();
        two.Add("other", new LoraOptions { TargetModules = ["leave"] });
        Refused(two, "other");
        manual_seed(5);
        using var model = new UserModel();
        using var loha = model.ApplyLoHa(targets: ["enter"]);
        Refused(loha, "use a LoRA adapter");
        loha.HasRestarted.ShouldBeFalse();
    }
}
