using System.CommandLine;
using static TorchSharp.torch;

namespace Peft.Benchmarks;

/// <summary>Reinforcement learning, generation included: completions of random prompts, rewarded for a token.</summary>
internal static class OnlineBenchmark
{
    /// <param name="name"><c>grpo</c> or <c>ppo</c>.</param>
    public static Command Command(string name)
    {
        var (shape, rank, prompts) = (Measure.Shape(), Measure.Number("--rank", 8), Measure.Number("--prompts", 4));
        var generations = Measure.Number("--generations", name == "ppo" ? 1 : 8);
        var (length, added) = (Measure.Number("--prompt", 32), Measure.Number("--new", 64));
        var (steps, warmup) = (Measure.Number("--steps", 10), Measure.Warmup());
        var command = new Command(name, "Measures the seconds of a step, generation included.") { shape, rank, prompts, generations, length, added, steps, warmup };
        command.SetAction(at =>
        {
            var device = Common.Apply(at);
            var (model, peft) = Shapes.Adapted(at.GetValue(shape)!, at.GetValue(rank), device: device);
            var vocabulary = model.Config["vocab_size"]!.GetValue<int>();
            long tokens = 0;
            var rollouts = new RolloutOptions
            {
                Generations = at.GetValue(generations), MaxCompletionLength = at.GetValue(added), EndTokenIds = [],
                Rewards = [RewardFunction.Of("even", completion =>
                {
                    tokens += completion.Tokens.Count;
                    return completion.Tokens.Count(token => token % 2 == 0) / (double)completion.Tokens.Count;
                })],
            };
            var (trained, objective) = name == "ppo" ? Ppo(peft, rollouts) : (peft, new GrpoObjective(peft, rollouts));
            var data = TrainingDataset.From(64 / at.GetValue(prompts) * at.GetValue(prompts), rows => new Batch { InputIds = randint(3, vocabulary, [rows.Count, at.GetValue(length)]), Weight = rows.Count });
            var (_, first, seconds, memory) = Measure.TrainingSteps(trained, data, objective, at.GetValue(prompts), at.GetValue(warmup), at.GetValue(steps));
            var completions = tokens * at.GetValue(steps) / (at.GetValue(steps) + first);
            Measure.Print(at, new
            {
                benchmark = name, shape = at.GetValue(shape), rank = at.GetValue(rank), prompts = at.GetValue(prompts), generations = at.GetValue(generations), prompt = at.GetValue(length), @new = at.GetValue(added),
                warmup = first, step_ms = Math.Round(seconds.Sum() * 1000 / at.GetValue(steps), 2), completion_tokens_per_s = Math.Round(completions / seconds.Sum(), 1), peak_rss_mb = Measure.PeakMegabytes, memory_mb = Measure.Megabytes(memory),
            });
        });
        return command;
    }

    private static (ITrainable, Objective) Ppo(PeftModel peft, RolloutOptions rollouts)
    {
        var models = new ActorCritic(peft, ValueModel.Adapter(peft));
        return (models, new PpoObjective(models, rollouts));
    }
}
