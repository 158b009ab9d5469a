using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests;

/// <summary>The trainers of one line train as those with the objective set by hand.</summary>
public sealed class TrainerFactoryTests
{
    private static readonly TrainingOptions Training = new() { MaxSteps = 3, BatchSize = 4, LearningRate = 1e-2 };

    private static readonly RolloutOptions Rollouts = new()
    {
        Rewards = [RewardFunction.Of("small", completion => completion.Tokens.Count(token => token < 20) / (double)completion.Tokens.Count)], Generations = 4, MaxCompletionLength = 4, LoggedSamples = 0,
    };

    private static TrainingDataset Prompts => TrainingDataset.From(8, rows => new() { InputIds = full([rows.Count, 3], 5, ScalarType.Int64), Weight = rows.Count });

    public static TheoryData<string> Methods => ["dpo", "kto", "orpo", "reward", "grpo", "ppo"];

    [Theory, MemberData(nameof(Methods))]
    public void Each_trains_as_a_trainer_with_the_objective(string method)
    {
        var short_ = Losses(method, true);
        short_.Count.ShouldBe(3);
        short_.ShouldBe(Losses(method, false));
        short_.Distinct().Count().ShouldBeGreaterThan(1, "the losses are those of training");
    }

    private static IReadOnlyList<double> Losses(string method, bool inOneLine)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var classifier = RewardTests.Classifier();
        manual_seed(1);
        using var peft = method == "reward" ? classifier.ApplyLora(rank: 4) : model.ApplyLora(rank: 4);
        var data = method switch { "kto" => Texts.Data(8, labelled: true), "grpo" or "ppo" => Prompts, _ => Texts.Data(8) };
        using var values = method == "ppo" ? ValueModel.Adapter(peft) : null;
        var models = values is null ? null : new ActorCritic(peft, values);
        var reference = method is "reward" or "orpo" ? null : peft.AddReference();   // another than the default
        var trainer = inOneLine
            ? method switch
            {
                "dpo" => DpoTrainer.Create(peft, data, new() { Beta = 0.3 }, Training, reference: reference),
                "kto" => KtoTrainer.Create(peft, data, new() { Beta = 0.3 }, Training, reference: reference),
                "orpo" => OrpoTrainer.Create(peft, data, new() { Beta = 0.3 }, Training),
                "reward" => RewardTrainer.Create(peft, data, new() { CenterRewardsCoefficient = 0.1 }, Training),
                "grpo" => GrpoTrainer.Create(peft, data, Rollouts, new() { Beta = 0.3 }, Training, data, reference),
                _ => PpoTrainer.Create(models!, data, Rollouts, new() { KlCoefficient = 0.3 }, Training, data, reference),
            }
            : new Trainer(models ?? (ITrainable)peft, data, Training)
            {
                Evaluation = method is "grpo" or "ppo" ? data : null,
                Objective = method switch
                {
                    "dpo" => new DpoObjective(peft, new() { Beta = 0.3 }, reference),
                    "kto" => new KtoObjective(peft, new() { Beta = 0.3 }, reference),
                    "orpo" => new OrpoObjective(peft, new() { Beta = 0.3 }),
                    "reward" => new RewardObjective(peft, new() { CenterRewardsCoefficient = 0.1 }),
                    "grpo" => new GrpoObjective(peft, Rollouts, new() { Beta = 0.3 }, reference),
                    _ => new PpoObjective(models!, Rollouts, new() { KlCoefficient = 0.3 }, reference),
                },
            };
        if (method is "grpo" or "ppo") trainer.Evaluation.ShouldBe(data);
        return trainer.Train().Losses;
    }

    [Theory, InlineData(true), InlineData(false)]
    public void Callbacks_of_online_trainers_can_end_the_run(bool added)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        var stop = new KlStop(0.05);
        var trainer = GrpoTrainer.Create(peft, Prompts, Rollouts, new() { Beta = 0.01 }, Training with { MaxSteps = 50, LearningRate = 5e-2 }, callbacks: added ? null : [stop]);
        if (added) trainer.AddCallback(stop).ShouldBeSameAs(trainer);
        trainer.Callbacks.ShouldBe([stop]);
        var result = trainer.Train();
        result.StopReason.ShouldBe(StopReason.Callback);
        result.Steps.ShouldBeInRange(2, 49);
    }

    [Fact]
    public void Evaluations_and_models_of_the_wrong_kind()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        DpoTrainer.Create(peft, Texts.Data(8), training: Training, evaluation: Texts.Data(4, seed: 3)).Train().Evaluations[^1].Metrics.Keys.ShouldContain("rewards/accuracies");
        Should.Throw<AdapterOptionsException>(() => RewardTrainer.Create(peft, Texts.Data(8))).Message.ShouldContain(nameof(SequenceClassifier));
        using var classifier = RewardTests.Classifier();
        using var scored = classifier.ApplyLora(rank: 4);
        Should.Throw<AdapterOptionsException>(() => DpoTrainer.Create(scored, Texts.Data(8))).Message.ShouldContain(nameof(CausalLM));
    }
}
