using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests;

/// <summary>Runs of the objectives that do not generate with rewards; those that do are in Online.</summary>
public sealed class ResumeTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string> Methods => ["dpo", "cpo", "orpo", "tpo", "kto", "reward", "process reward", "gkd"];

    [Theory, MemberData(nameof(Methods))]
    public void A_resumed_run_ends_with_the_same_bits(string method)
    {
        using var scope = NewDisposeScope();
        var whole = Run(method, "whole", null, null);
        Run(method, "part", 3, null).ShouldNotBe(whole);
        Run(method, "rest", null, Trainer.FindLastCheckpoint(folder["part"])).ShouldBe(whole);
    }

    private float[] Run(string method, string name, int? stop, string? resume)
    {
        using PretrainedModel model = method switch { "reward" => RewardTests.Classifier(), "process reward" => TokenClassifier.FromConfig(RewardTests.Config, seed: 3, new LoadOptions { LabelCount = 2 }), _ => TinyModel.Create() };
        using var teacher = TinyModel.Create(seed: 8);
        manual_seed(1);   // for the adapter
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, Dropout = 0.1 });
        Objective objective = method switch
        {
            "dpo" => new DpoObjective(peft),
            "cpo" => new CpoObjective(peft),
            "orpo" => new OrpoObjective(peft),
            "tpo" => new TpoObjective(peft),
            "kto" => new KtoObjective(peft),
            "reward" => new RewardObjective(peft),
            "process reward" => new ProcessRewardObjective(peft),
            _ => new GkdObjective(peft, Reference.Model(teacher), new GkdOptions { MaxNewTokens = 5 }),   // half of the batches are generated
        };
        var data = TrainingDataset.From(8, rows => method switch { "kto" => Texts.Labelled(rows), "tpo" => Texts.Rows(rows, 3), "process reward" or "gkd" => Labelled(rows), _ => Texts.Rows(rows) });
        var options = new TrainingOptions { MaxSteps = 6, BatchSize = 3, GradientAccumulation = 2, LearningRate = 1e-2, WarmupSteps = 2, OutputFolder = folder[name], SaveEverySteps = 1, ResumeFrom = resume, KeepCheckpoints = null };
        new Trainer(peft, data, options) { Objective = objective, Callbacks = stop is { } at ? [new StopAt(at)] : [] }.Train();
        return Texts.Values(peft);
    }

    // Texts whose completions are labelled, with the tokens or with two classes.
    private static Batch Labelled(IReadOnlyList<int> rows)
    {
        var texts = Texts.Rows(rows, texts: 1);
        return new() { InputIds = texts.InputIds, AttentionMask = texts.AttentionMask, Labels = texts.InputIds.remainder(2).masked_fill(texts.Extra["completion_mask"].eq(0), Batch.IgnoredLabel), Weight = rows.Count };
    }

    private sealed class StopAt(int step) : ITrainerCallback
    {
        public void OnStepEnd(TrainingProgress progress, TrainerControl control)
        {
            if (progress.Step == step) control.Stop();
        }
    }
}
