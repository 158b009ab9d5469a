using System.Text.Json.Nodes;
using Examples;
using Peft;
using Peft.Models;

namespace Rlhf;

/// <summary>One run of the chain: supervised fine-tuning, a reward model, and reinforcement learning against the judge or the reward model.</summary>
/// <param name="pretrained">Folder of the pretrained model.</param>
/// <param name="work">Folder for the models that the run makes.</param>
/// <param name="seed">Seed of all that is random.</param>
/// <param name="sizes">How much is done.</param>
internal sealed class Chain(string pretrained, string work, int seed, Sizes sizes) : IDisposable
{
    private readonly Tokenizer tokenizer = Tokenizer.FromPretrained(pretrained);
    private SequenceClassifier? scorer;
    private PeftModel? scorerAdapter;
    private double scale = 1;   // brings the reward model's scores to about the judge's range, so that they weigh as much against the divergence

    private string TunedFolder => Path.Combine(work, $"sft-{seed}");

    /// <summary>Fine-tunes the pretrained model on the judge's favourites among its own stories, cut after a whole sentence, so that it learns to end a story.</summary>
    /// <returns>The mean scores and a sample before and after.</returns>
    public (Measurement Before, Measurement After) Tune()
    {
        using var model = CausalLM.FromPretrained(pretrained);
        var before = Measure(model);
        var favourites = Stories.Write(model, tokenizer, Prompts.Train, sizes.Drafts, sizes.Tokens, seed)
            .Select(Stories.Whole).OfType<Story>().GroupBy(story => story.Prompt).Select(stories => stories.MaxBy(story => story.Score)!);
        // All weights: the pretrained model has never seen the token that ends a text, and LoRA on the linear layers leaves that token's embedding as it was drawn.
        using var whole = model.ApplyFull();
        var data = SftDataset.FromRows(favourites.Select(story => new JsonObject { ["prompt"] = story.Prompt, ["completion"] = story.Text }), tokenizer);
        SftTrainer.Create(whole, data, training: new() { Epochs = Settings.TuningEpochs, BatchSize = 16, LearningRate = Settings.TuningRate, Seed = seed }).Train();
        whole.MergeAndUnload();
        model.SavePretrained(TunedFolder);
        tokenizer.Save(TunedFolder);
        return (before, Measure(model));
    }

    /// <summary>Trains a reward model on pairs of the fine-tuned model's stories, of which the judge likes one better.</summary>
    public RewardResult TrainRewardModel()
    {
        var (train, test) = (Pairs(Prompts.Train, seed + 100), Pairs(Prompts.Test, seed + 200));
        scorer = SequenceClassifier.FromPretrained(TunedFolder, new LoadOptions { LabelCount = 1, Seed = seed });
        scorerAdapter = scorer.ApplyLora(rank: 8, targets: "all-linear");
        var trainer = RewardTrainer.Create(scorerAdapter, train, training: new() { Epochs = 3, BatchSize = 16, EvaluationBatchSize = 64, LearningRate = Settings.Rate, WarmupRatio = 0.1, Seed = seed }, evaluation: test);
        var evaluation = trainer.Train().Evaluations[^1].Metrics;
        scale = 2 * Judge.Bound / (evaluation["max_reward"] - evaluation["min_reward"]);
        return new(evaluation["accuracy"], test.Count, train.Count);
    }

    /// <summary>Reinforcement learning.</summary>
    /// <param name="method">PPO or GRPO.</param>
    /// <param name="teacher">Who gives the rewards.</param>
    public Run Reinforce(Method method, Teacher teacher)
    {
        using var model = CausalLM.FromPretrained(TunedFolder);
        using var peft = model.ApplyLora(rank: 8, targets: "all-linear");
        var judge = RewardFunction.Of("judge", completion => Judge.Score(completion.Text!));
        RewardFunction[] rewards = teacher == Teacher.Judge ? [judge] : [RewardFunction.OfModel("model", scorer ?? throw new InvalidOperationException("There is no reward model yet: train it first.")) with { Weight = scale }, judge with { Weight = 0 }];   // only watched
        var prompts = PromptDataset.FromRows(Prompts.Train.Select(Prompts.Row), tokenizer);
        var rollouts = new RolloutOptions { Rewards = rewards, Tokenizer = tokenizer, MaxCompletionLength = sizes.Tokens, LoggedSamples = 0 };
        using var values = method == Method.Ppo ? ValueModel.Adapter(peft) : null;
        var trainer = values is null ? Grpo(peft, prompts, rollouts) : Ppo(new(peft, values), prompts, rollouts);
        var points = new List<Point>();
        var result = trainer.Train(new Reporting(step =>
        {
            // Some steps reuse the stories of the one before.
            if (step.Metrics.TryGetValue("rewards/judge/mean", out var score))
                points.Add(new(score, step.Metrics.GetValueOrDefault("rewards/model/mean", double.NaN), method == Method.Ppo ? step.Metrics["objective/kl"] : step.Metrics["kl"] * step.Metrics["completions/mean_length"]));
        }));
        return new(method, teacher, seed, points, Measure(model), result.StopReason == StopReason.Callback, result.Elapsed.TotalSeconds);
    }

    private Trainer Grpo(PeftModel peft, PromptDataset prompts, RolloutOptions rollouts)
    {
        const int each = 8;
        return GrpoTrainer.Create(peft, prompts, rollouts with { Generations = each }, new() { Beta = Settings.GrpoBeta }, Training(sizes.Updates, sizes.StoriesPerUpdate / each, Settings.Rate),
            callbacks: [new KlStop(Settings.KlBound / sizes.Tokens)]);
    }

    private Trainer Ppo(ActorCritic models, PromptDataset prompts, RolloutOptions rollouts)
        => PpoTrainer.Create(models, prompts, rollouts with { Iterations = Settings.PpoIterations }, new() { KlCoefficient = Settings.PpoKl }, Training(sizes.Updates * Settings.PpoIterations, sizes.StoriesPerUpdate, Settings.Rate),
            callbacks: [new KlStop(Settings.KlBound, "objective/kl")]);

    private TrainingOptions Training(int steps, int prompts, double rate) => new() { MaxSteps = steps, BatchSize = prompts, LearningRate = rate, Schedule = LearningRateSchedule.Constant, Seed = seed };

    // Of the stories of a prompt, the first with the last in the judge's order, the second with the last but one, …, unless it likes both the same.
    private RewardDataset Pairs(IReadOnlyList<string> prompts, long seed)
    {
        using var model = CausalLM.FromPretrained(TunedFolder);
        var pairs = Stories.Write(model, tokenizer, prompts, sizes.Compared, sizes.Tokens, seed).GroupBy(story => story.Prompt).SelectMany(stories =>
        {
            var sorted = stories.OrderByDescending(story => story.Score).ToList();
            return Enumerable.Range(0, sorted.Count / 2).Select(i => (Chosen: sorted[i], Rejected: sorted[^(i + 1)])).Where(pair => pair.Chosen.Score > pair.Rejected.Score);
        });
        return RewardDataset.FromRows(pairs.Select(pair => new JsonObject { ["prompt"] = pair.Chosen.Prompt, ["chosen"] = pair.Chosen.Text, ["rejected"] = pair.Rejected.Text }), tokenizer);
    }

    private Measurement Measure(CausalLM model)
    {
        var stories = Stories.Write(model, tokenizer, Prompts.Test, sizes.Measured, sizes.Tokens, seed: 12345);
        var words = stories.SelectMany(story => story.Text.Split(' ', StringSplitOptions.RemoveEmptyEntries)).ToList();
        return new(stories.Average(story => story.Score), stories.Average(story => story.Text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length), words.Distinct().Count() / (double)words.Count, [.. stories.Where((_, i) => i % sizes.Measured == 0).Take(3)]);
    }

    public void Dispose()
    {
        scorerAdapter?.Dispose();
        scorer?.Dispose();
    }
}
