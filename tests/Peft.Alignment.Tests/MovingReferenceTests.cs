using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests;

/// <summary>A reference that follows the policy (TR-DPO).</summary>
public sealed class MovingReferenceTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static PeftModel Policy(out Models.CausalLM model)
    {
        model = TinyModel.Create();
        var peft = Texts.Policy(model);
        peft.AddReference();
        return peft;
    }

    private static TrainingOptions Options(int steps) => new() { MaxSteps = steps, BatchSize = 4, LearningRate = 1e-2 };

    [Theory, InlineData("dpo"), InlineData("kto"), InlineData("bco"), InlineData("grpo")]
    public void Every_few_steps_it_becomes_a_mix_of_the_policy_and_itself(string method)
    {
        using var scope = NewDisposeScope();
        using var peft = Policy(out var model);
        using var _ = model;
        var expected = Texts.Values(peft);
        var moved = new List<bool>();
        var watch = new Watch(step =>
        {
            if (step % 2 == 0) expected = [.. expected.Zip(Texts.Values(peft), (reference, policy) => 0.75f * reference + 0.25f * policy)];
            var (actual, difference) = (Texts.Values(peft, "reference"), 0f);
            for (var i = 0; i < actual.Length; i++) difference = Math.Max(difference, Math.Abs(actual[i] - expected[i]));
            moved.Add(difference < 1e-6f);
        });
        var reference = Reference.Following(every: 2, mix: 0.25);
        Objective objective = method switch
        {
            "dpo" => new DpoObjective(peft, reference: reference),
            "kto" => new KtoObjective(peft, reference: reference),
            "bco" => new BcoObjective(peft, reference: reference),
            _ => new GrpoObjective(peft, new() { Rewards = [RewardFunction.Of("length", completion => completion.Tokens.Count)], Generations = 4, MaxCompletionLength = 6 }, new() { Beta = 0.1 }, reference),
        };
        var data = method == "grpo" ? TrainingDataset.From(8, rows => new() { InputIds = full([rows.Count, 3], 5, ScalarType.Int64), Weight = rows.Count }) : Texts.Data(8, labelled: method != "dpo");
        new Trainer(peft, data, Options(5)) { Objective = objective, Callbacks = [watch] }.Train();
        moved.ShouldBe([true, true, true, true, true]);
        Texts.Values(peft, "reference").ShouldNotBe(Texts.Values(peft));
    }

    [Fact]
    public void It_is_a_part_of_checkpoints()
    {
        using var scope = NewDisposeScope();
        float[] Run(string name, int? stop, string? resume)
        {
            using var peft = Policy(out var model);
            using var _ = model;
            var options = Options(6) with { OutputFolder = folder[name], SaveEverySteps = 1, ResumeFrom = resume, KeepCheckpoints = null };
            new Trainer(peft, Texts.Data(8), options) { Objective = new DpoObjective(peft, reference: Reference.Following(every: 2)), Callbacks = stop is { } at ? [new Watch((step, control) => { if (step == at) control.Stop(); })] : [] }.Train();
            return [.. Texts.Values(peft), .. Texts.Values(peft, "reference")];
        }
        var whole = Run("whole", null, null);
        Run("part", 3, null).ShouldNotBe(whole);
        Run("rest", null, Trainer.FindLastCheckpoint(folder["part"])).ShouldBe(whole);
    }

    [Fact]
    public void What_cannot_follow_is_refused()
    {
        using var scope = NewDisposeScope();
        using var peft = Policy(out var model);
        using var _ = model;
        peft.Add("other", new LoraOptions { Rank = 2 });
        Should.Throw<TrainingException>(() => new Trainer(peft, Texts.Data(8), Options(1)) { Objective = new DpoObjective(peft, reference: Reference.Following("other")) }.Train()).Message.ShouldContain("no copy of its only active adapter");
        Should.Throw<TrainingException>(() => new Trainer(peft, Texts.Data(8), Options(1)) { Objective = new DpoObjective(peft, reference: Reference.Following("missing")) }.Train()).Message.ShouldContain("no adapter of that name");
        Should.Throw<ArgumentException>(() => Texts.Data(8).PrecomputeReference(new DpoObjective(peft, reference: Reference.Following()))).Message.ShouldContain("follows the policy");
        Should.Throw<TrainingException>(() => new DpoObjective(peft, reference: Reference.Following()).LoadState(new Dictionary<string, Tensor>())).Message.ShouldContain("another reference");
        Should.Throw<ArgumentOutOfRangeException>(() => Reference.Following(mix: 0));
        Should.Throw<ArgumentOutOfRangeException>(() => Reference.Following(every: 0));
    }

    private sealed class Watch(Action<int, TrainerControl> stepped) : ITrainerCallback
    {
        public Watch(Action<int> stepped) : this((step, _) => stepped(step)) { }

        public void OnStepEnd(TrainingProgress progress, TrainerControl control) => stepped(progress.Step, control);
    }
}
