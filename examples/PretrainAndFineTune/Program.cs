// Pretrains a small BERT and a small GPT from random weights, with tokenizers of their own, and fine-tunes them for two tasks: 77 intents of a bank's customers (banking77) and named entities in posts (WNUT 2017).
// How much does pretraining bring, and how near do adapters come to full fine-tuning?
//   PretrainAndFineTune               BERT alone
//   PretrainAndFineTune --docs docs   BERT and GPT: tables and plot in docs/pretrain-and-fine-tune.md
//   PretrainAndFineTune --rates 1e-3 1e-2 --only LoRA   each learning rate, on development data, to find the best one
using System.CommandLine;
using Peft;
using PretrainAndFineTune;

TorchRuntime.Require();
var root = new Option<string>("--root") { DefaultValueFactory = _ => ".", Description = "The repository." };
var docs = new Option<string?>("--docs") { Description = "Run both models and write tables and plot into this folder." };
var kinds = new Option<Kind[]>("--kinds") { AllowMultipleArgumentsPerToken = true, Description = "The models; by default BERT, and both with --docs." };
var only = new Option<string[]>("--only") { AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [], Description = "Names of methods, or parts of them; by default all methods." };
var rates = new Option<double[]>("--rates") { AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [], Description = "Learning rates, tried on development data; by default each method's own, on the test data." };
var reuse = new Option<bool>("--reuse") { Description = "Take the pretrained models of an earlier run." };
var command = new RootCommand("Pretrains small models and fine-tunes them.") { root, docs, kinds, only, rates, reuse };
command.SetAction(parsed =>
{
    var (sizes, data) = (new Sizes(), Path.Combine(parsed.GetValue(root)!, "data"));
    var tried = parsed.GetValue(rates)!;
    Benchmark[] tasks = [new IntentTask(data, sizes, development: tried.Length > 0), new EntityTask(data, sizes, development: tried.Length > 0)];
    var methods = Method.All.Where(each => parsed.GetValue(only) is not { Length: > 0 } parts || parts.Any(part => each.Name.Contains(part, StringComparison.OrdinalIgnoreCase))).ToList();
    var chosen = parsed.GetValue(kinds) is { Length: > 0 } given ? given : parsed.GetValue(docs) is null ? [Kind.Bert] : new[] { Kind.Bert, Kind.Gpt };
    var (models, outcomes) = (new List<Pretrained>(), new List<Outcome>());
    foreach (var kind in chosen)
    {
        var folder = Path.Combine(parsed.GetValue(root)!, "artifacts", "pretrained", kind.ToString());
        models.Add(parsed.GetValue(reuse) ? new(kind, folder, 0, 0, 0, 0, 0) : new Pretraining(kind, sizes).Run(Corpus.Train(data), folder, new ProgressPrinter(lines: 10)));
        Console.WriteLine(models[^1]);
        foreach (var task in tasks)
            foreach (var method in methods)
                foreach (var rate in tried.Length > 0 ? tried.Select(each => (double?)each) : [null])
                {
                    outcomes.Add(FineTuning.Run(models[^1], task, method, rate));
                    Console.WriteLine($"{outcomes[^1]} at {rate ?? method.LearningRate}");
                }
    }
    if (tried.Length > 0) return;
    Report.Show(models, outcomes);
    if (parsed.GetValue(docs) is { } pages) Report.WriteDocs(models, outcomes, pages);
});
return command.Parse(args).Invoke();
