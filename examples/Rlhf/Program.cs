// The whole chain with a language model of 260,000 parameters that writes stories: supervised fine-tuning, a reward model, and reinforcement learning by PPO and GRPO, against a judge whose scores can be computed and against the reward model.
//   Rlhf                one seed
//   Rlhf --docs docs    three seeds: tables, samples and plot in docs/rlhf.md
using System.CommandLine;
using Peft;
using Rlhf;

TorchRuntime.Require();
var root = new Option<string>("--root") { DefaultValueFactory = _ => ".", Description = "The repository." };
var docs = new Option<string?>("--docs") { Description = "Run three seeds and write tables, samples and plot into this folder." };
var seeds = new Option<int[]>("--seeds") { AllowMultipleArgumentsPerToken = true, Description = "Seeds; by default 0, and 0 to 2 with --docs." };
var updates = new Option<int>("--updates") { DefaultValueFactory = _ => new Sizes().Updates, Description = "Times that the policy writes stories and learns from them." };
var command = new RootCommand("Teaches a small language model to write cheerful stories, by all stages of reinforcement learning from preferences.") { root, docs, seeds, updates };
command.SetAction(parsed =>
{
    var folder = parsed.GetValue(root)!;
    var chosen = parsed.GetValue(seeds) is { Length: > 0 } given ? given : parsed.GetValue(docs) is null ? [0] : new[] { 0, 1, 2 };
    var chains = new List<ChainResult>();
    foreach (var seed in chosen)
    {
        using var chain = new Chain(Path.Combine(folder, "models", "stories260K"), Path.Combine(folder, "artifacts", "rlhf"), seed, new() { Updates = parsed.GetValue(updates) });
        var (before, tuned) = chain.Tune();
        Console.WriteLine($"seed {seed}: the judge's score is {before.Score:F2}, and {tuned.Score:F2} after supervised fine-tuning.");
        var reward = chain.TrainRewardModel();
        Console.WriteLine($"  {reward}");
        var runs = new List<Run>();
        foreach (var teacher in Enum.GetValues<Teacher>())
            foreach (var method in Enum.GetValues<Method>())
            {
                runs.Add(chain.Reinforce(method, teacher));
                Console.WriteLine($"  {method}, {teacher}: {runs[^1].After.Score:F2}, KL {runs[^1].Points[^1].Kl:F1} after {runs[^1].Points.Count} updates in {runs[^1].Seconds:F0} s");
            }
        chains.Add(new(seed, before, tuned, reward, runs));
    }
    var report = new Report(chains);
    report.Show();
    if (parsed.GetValue(docs) is { } pages) report.WriteDocs(pages);
});
return command.Parse(args).Invoke();
