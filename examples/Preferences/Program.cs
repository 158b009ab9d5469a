// Teaches a language model of 260,000 parameters to solve problems of school mathematics (gsm8k), and then to prefer right solutions to wrong ones, by DPO, KTO and ORPO; and trains a reward model on the same pairs.
//   Preferences                one split of the pairs
//   Preferences --docs docs    the reward model also by cross-validation on all pairs: tables and plot in docs/preferences.md
using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Nodes;
using Peft;
using Preferences;

TorchRuntime.Require();
var root = new Option<string>("--root") { DefaultValueFactory = _ => ".", Description = "The repository." };
var docs = new Option<string?>("--docs") { Description = "Cross-validate the reward model, and write tables and plot into this folder." };
var command = new RootCommand("Teaches a small language model to prefer right solutions to wrong ones.") { root, docs };
command.SetAction(parsed =>
{
    var (folder, sizes) = (parsed.GetValue(root)!, new Sizes());
    var data = Path.Combine(folder, "data");
    var (train, test) = (Pairs.Read(data, "train"), Pairs.Read(data, "test"));
    IReadOnlyList<JsonObject> all = [.. train, .. test];
    var policies = new Policies(Path.Combine(folder, "models", "stories260K"), Path.Combine(folder, "artifacts", "preferences"), sizes);
    var tuning = policies.Tune(Pairs.Solutions(data), new ProgressPrinter(lines: 5));
    var rows = new List<PolicyRow> { new("supervised fine-tuning", policies.Before(test), tuning.Elapsed.TotalSeconds, IsReference: true) };
    foreach (var method in Enum.GetValues<Method>())
    {
        var (outcome, seconds) = policies.Align(method, train, test);
        rows.Add(new(method.ToString().ToUpperInvariant(), outcome, seconds));
        Console.WriteLine(rows[^1]);
    }
    var (model, rewards) = (new RewardModel(policies.Tuned, sizes), new List<RewardRow>());
    Add("the test pairs", test, () => model.Run(train, test).Metrics["accuracy"]);
    if (parsed.GetValue(docs) is not null) Add($"all pairs, in {sizes.Folds} parts", all, () => model.CrossValidate(all));
    var report = new Report(rows, rewards, test.Count);
    report.Show();
    if (parsed.GetValue(docs) is { } pages) report.WriteDocs(pages);

    void Add(string name, IReadOnlyList<JsonObject> judged, Func<double> accuracy)
    {
        var time = Stopwatch.StartNew();
        rewards.Add(new(name, judged.Count, Pairs.LongerIsChosen(judged), accuracy(), time.Elapsed.TotalSeconds));
        Console.WriteLine(rewards[^1]);
    }
});
return command.Parse(args).Invoke();
