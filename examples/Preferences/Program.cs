using System.Globalization;
using Peft;
using Preferences;
TorchRuntime.Require();
foreach (var s in args) { var kv = s.Split('='); var p = typeof(RewardModel).GetProperty(kv[0]); if (p is not null) p.SetValue(null, Convert.ChangeType(kv[1], p.PropertyType, CultureInfo.InvariantCulture)); }
int Int(string n, int d) => args.FirstOrDefault(x => x.StartsWith(n + "=", StringComparison.Ordinal)) is { } u ? int.Parse(u[(n.Length + 1)..], CultureInfo.InvariantCulture) : d;
var sizes = new Sizes { TuningEpochs = Int("tune", 3), RewardEpochs = Int("re", 3), PreferenceEpochs = Int("pe", 2) };
var (train, test) = (Pairs.Read("data", "train"), Pairs.Read("data", "test"));
Console.WriteLine($"longer {Pairs.LongerIsChosen(train):F3} {Pairs.LongerIsChosen(test):F3} {Pairs.LongerIsChosen([.. train, .. test]):F3}");
var policies = new Policies("models/stories260K", "/tmp/pref", sizes);
var t = System.Diagnostics.Stopwatch.StartNew();
if (args.Contains("sft")) { var r = policies.Tune(Pairs.Solutions("data"), new ProgressPrinter(lines: 8)); Console.WriteLine($"sft {r.Losses.TakeLast(20).Average():F3} {r.Elapsed.TotalSeconds:F0}s"); }
IReadOnlyList<System.Text.Json.Nodes.JsonObject> all = [.. train, .. test];
if (args.Contains("rm")) foreach (var (full, mean, rate) in new[] { (true, false, 1e-3), (true, true, 1e-3), (false, false, 5e-3), (false, true, 5e-3) })
{
    (RewardModel.Full, RewardModel.Mean, RewardModel.Rate) = (full, mean, rate);
    var es = new RewardModel(policies.Tuned, sizes).Run2([.. all.Take(600)], [.. all.Skip(600)]); Console.WriteLine($"{t.Elapsed.TotalSeconds:F0}s rm full {full} mean {mean} {rate} {string.Join(" | ", es.Select(e => $"{e.Loss:F3} {e.Metrics["accuracy"]:F3}"))}");
}
if (args.Contains("cv")) Console.WriteLine($"cv {new RewardModel(policies.Tuned, sizes).CrossValidate([.. train, .. test]):F3} {t.Elapsed.TotalSeconds:F0}s");
if (args.Contains("before")) Console.WriteLine(policies.Before(test));
foreach (var m in Enum.GetValues<Method>()) if (args.Contains(m.ToString())) Console.WriteLine($"{m} {policies.Align(m, train, test)}  {t.Elapsed.TotalSeconds:F0}s");
