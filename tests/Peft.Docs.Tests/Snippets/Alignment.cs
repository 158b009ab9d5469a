using Peft.Models;

namespace Peft.Docs.Tests.Snippets;

public class Alignment : InFolder
{
    [Fact]
    public void A_model_learns_preferences()
    {
        string[] animals = ["dog", "cat", "bird", "cow"];
        File.WriteAllLines("pairs.jsonl", animals.Select(animal => $$"""{"prompt": "The {{animal}} was", "chosen": " very happy.", "rejected": " sad and cold."}"""));
        // snippet: align-dpo
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        var pairs = PreferenceDataset.FromFile("pairs.jsonl", tokenizer);                       // {"prompt": …, "chosen": …, "rejected": …}, texts or chats
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyLora(rank: 8);
        var trainer = DpoTrainer.Create(peft, pairs, new() { Beta = 0.1 },                     // the reference is the model without the adapter
            new() { Epochs = 4, BatchSize = 4, LearningRate = 5e-3 });
        trainer.Train(new Progress<TrainingProgress>(step => Console.WriteLine($"{step.Loss:F3}, margin {step.Metrics["rewards/margins"]:F3}")));
        peft.SaveAdapter("out/dpo");
        // end
        using var metrics = new TrainingMetrics();
        var after = new Trainer(peft, pairs, new() { EvaluationBatchSize = 4 }) { Objective = new DpoObjective(peft), Evaluation = pairs }.Evaluate();
        after.Metrics["rewards/accuracies"].ShouldBe(1);
        after.Loss.ShouldBeLessThan(0.6);
    }

    [Fact]
    public void A_model_learns_from_rewards()
    {
        // snippet: align-grpo
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        var prompts = PromptDataset.FromRows([new() { ["prompt"] = "Once upon a time" }, new() { ["prompt"] = "One day" }], tokenizer);
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyLora(rank: 8);
        var happy = RewardFunction.Of("happy", completion => completion.Text!.Contains("happy", StringComparison.Ordinal) ? 1 : 0);
        var trainer = GrpoTrainer.Create(peft, prompts, new() { Tokenizer = tokenizer, Rewards = [happy], MaxCompletionLength = 24 }, new() { Beta = 0.04 },
            new() { MaxSteps = 3, BatchSize = 2, LearningRate = 5e-3 });
        trainer.Train(new Progress<TrainingProgress>(step => Console.WriteLine($"reward {step.Metrics["reward"]:F2}, kl {step.Metrics["kl"]:F3}")));
        // end
    }

    [Fact]
    public void A_reward_model_gives_the_rewards()
    {
        string[] animals = ["dog", "cat", "bird", "cow"];
        File.WriteAllLines("pairs.jsonl", animals.Select(animal => $$"""{"prompt": "The {{animal}} was", "chosen": " very happy.", "rejected": " sad and cold."}"""));
        // snippet: align-reward-model
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        using var scorer = SequenceClassifier.FromPretrained("models/stories260K", new LoadOptions { LabelCount = 1 });
        using var scored = scorer.ApplyLora(rank: 8);
        RewardTrainer.Create(scored, RewardDataset.FromFile("pairs.jsonl", tokenizer), training: new() { Epochs = 4, BatchSize = 4, LearningRate = 5e-3 }).Train();

        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyLora(rank: 8);
        using var values = ValueModel.Adapter(peft);                                            // another adapter on the same base model
        var prompts = PromptDataset.FromRows([new() { ["prompt"] = "The dog was" }, new() { ["prompt"] = "The cat was" }], tokenizer);
        var rollouts = new RolloutOptions { Rewards = [RewardFunction.OfModel("model", scorer)], MaxCompletionLength = 24 };
        PpoTrainer.Create(new(peft, values), prompts, rollouts, training: new() { MaxSteps = 3, BatchSize = 2, LearningRate = 5e-3 },
            callbacks: [new KlStop(20, "objective/kl")]).Train();                               // ends the run when the policy is too far from the reference
        // end
        var pairs = RewardDataset.FromFile("pairs.jsonl", tokenizer);
        new Trainer(scored, pairs) { Objective = new RewardObjective(scored), Evaluation = pairs }.Evaluate().Metrics["accuracy"].ShouldBe(1);
    }
}
