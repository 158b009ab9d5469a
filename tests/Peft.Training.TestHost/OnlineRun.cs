using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Training.TestHost;

/// <summary>A run of an online method on a tiny language model, whose completions last for four steps.</summary>
internal static class OnlineRun
{
    private const int Wanted = 7;

    public static void Run(string folder, string method)
    {
        var config = ModelConfig.Parse("""
            {
              "model_type": "llama", "vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
              "max_position_embeddings": 64, "pad_token_id": 0, "eos_token_id": 2, "bos_token_id": 1, "initializer_range": 0.2
            }
            """);
        using var model = CausalLM.FromConfig(config, seed: 3);
        manual_seed(1);
        using var peft = model.ApplyLora(rank: 4);
        using var values = method == "ppo" ? ValueModel.Adapter(peft) : null;
        ITrainable trained = values is null ? peft : new ActorCritic(peft, values);
        var rollouts = new RolloutOptions { Rewards = [RewardFunction.Of("share", Share)], Generations = 4, MaxCompletionLength = 6, LoggedSamples = 0, MiniBatches = 2, Iterations = 2 };
        Objective objective = method switch
        {
            "ppo" => new PpoObjective((ActorCritic)trained, rollouts, new PpoOptions { KlTarget = 0.1, KlHorizon = 50 }),   // the coefficient moves
            "grpo" => new GrpoObjective(peft, rollouts, new GrpoOptions { Beta = 0.05 }),
            _ => throw new ArgumentException($"'{method}' is neither ppo nor grpo.", nameof(method)),
        };
        var prompts = TrainingDataset.From(6, rows =>
        {
            long[] ids = [.. rows.SelectMany(row => new long[] { 3 + row, 4 + row })];
            return new() { InputIds = tensor(ids, [rows.Count, 2]), AttentionMask = ones([rows.Count, 2], ScalarType.Int64), Weight = rows.Count };
        });
        var options = new TrainingOptions
        {
            MaxSteps = 16, BatchSize = 2, LearningRate = 2e-2, OutputFolder = folder, ResumeFrom = Trainer.FindLastCheckpoint(folder), SaveEverySteps = 3, EvaluateEverySteps = 5, ParallelParts = 2,
        };
        var result = new Trainer(trained, prompts, options) { Objective = objective, Evaluation = prompts, Callbacks = [new Narrator()] }.Train();
        Numbers.Write(folder, $"{result.Steps} steps of {method}", trained, result);
    }

    // Announces that completions are being scored, so that a kill lands in the middle of a step.
    private static double? Share(Completion completion)
    {
        Console.WriteLine("scoring");
        return completion.Tokens.Count(token => token == Wanted) / (double)completion.Tokens.Count;
    }
}
