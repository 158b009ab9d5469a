// Fine-tunes a real sentence encoder to classify the intents of a bank's customers: 77 intents, 10,003 training questions (banking77).
//   IntentClassification                  trains LoRA in a few minutes, tests it on 1,000 questions, saves the adapter
//   IntentClassification classify         loads encoder and adapter in a separate program and classifies the lines of standard input
//   IntentClassification serve            classifies texts over HTTP
//   IntentClassification --all            every method in turn: table and plot; with --docs in docs/intents.md
using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Examples;
using IntentClassification;
using Peft;
using Peft.Models;
using Spectre.Console;

TorchRuntime.Require();
var root = new Option<string>("--root") { DefaultValueFactory = _ => ".", Description = "The repository.", Recursive = true };
var adapter = new Option<string?>("--adapter") { Description = "The adapter's folder; by default artifacts/intents/adapter.", Recursive = true };
var all = new Option<bool>("--all") { Description = "Run all methods." };
var only = new Option<string[]>("--only") { AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [], Description = "Names of methods, or parts of them." };
var seeds = new Option<int[]>("--seeds") { AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [0], Description = "Seeds; each method runs once per seed." };
var steps = new Option<int?>("--steps") { Description = "Optimizer steps; by default one epoch." };
var docs = new Option<bool>("--docs") { Description = "Write the table and the plot into docs/." };
var one = new Option<string?>("--one") { Hidden = true };
var port = new Option<int>("--port") { DefaultValueFactory = _ => 5077, Description = "Port of the service." };

var classify = new Command("classify", "Classifies the lines of standard input.");
classify.SetAction(parsed => Use(parsed, (model, tokenizer) =>
{
    foreach (var lines in ReadLines().Chunk(32))
        foreach (var (line, found) in lines.Zip(model.Classify(lines, tokenizer))) Console.WriteLine($"{found}\t{line}");
    return Task.CompletedTask;
}));
var serve = new Command("serve", "Classifies texts over HTTP.") { port };
serve.SetAction(parsed => Use(parsed, (model, tokenizer) => Service.RunAsync(model, tokenizer, parsed.GetValue(port))));

var command = new RootCommand("Fine-tunes a sentence encoder on the intents of banking77.") { root, adapter, all, only, seeds, steps, docs, one, classify, serve };
command.SetAction(parsed =>
{
    var results = Path.Combine(Artifacts(parsed), "results.jsonl");
    if (parsed.GetValue(one) is { } name)
    {
        Console.WriteLine(JsonSerializer.Serialize(Train(parsed, Method.All.Single(each => each.Name == name), parsed.GetValue(seeds)![0])));
        return;
    }
    var parts = parsed.GetValue(only)!;
    var chosen = parts.Length > 0 ? Method.All.Where(each => parts.Any(part => each.Name.Contains(part, StringComparison.OrdinalIgnoreCase))) : parsed.GetValue(all) ? Method.All : [];
    foreach (var method in chosen)
        foreach (var seed in parsed.GetValue(seeds)!)
        {
            var outcome = InProcessOfItsOwn(parsed, method, seed);
            Console.WriteLine(outcome);
            Report.Add(results, outcome);
        }
    if (chosen.Any()) Report.Show(results);
    if (parsed.GetValue(docs)) Report.WriteDocs(results, Path.Combine(parsed.GetValue(root)!, "docs"));
    if (chosen.Any() || parsed.GetValue(docs)) return;

    Console.WriteLine(JsonSerializer.Serialize(Train(parsed, Method.Lora, parsed.GetValue(seeds)![0])));
    AnsiConsole.WriteLine($"The adapter is in {Path.GetFullPath(AdapterFolder(parsed))}. Try: echo \"My card has not arrived\" | ./build.sh intents classify");
});
return await command.Parse(args).InvokeAsync();

string Artifacts(ParseResult parsed) => Path.Combine(parsed.GetValue(root)!, "artifacts", "intents");

string AdapterFolder(ParseResult parsed) => parsed.GetValue(adapter) ?? Path.Combine(Artifacts(parsed), "adapter");

string Model(ParseResult parsed) => MiniLM.In(Path.Combine(parsed.GetValue(root)!, "artifacts", "minilm"));

Outcome Train(ParseResult parsed, Method method, int seed)
{
    var model = Model(parsed);
    return AnsiConsole.Progress().AutoClear(true).Start(bars =>
    {
        var bar = bars.AddTask(Markup.Escape(method.Name));
        return Training.Run(method, model, Path.Combine(parsed.GetValue(root)!, "data", "banking77"), AdapterFolder(parsed), seed, parsed.GetValue(steps), new Reporting(step =>
        {
            (bar.MaxValue, bar.Value) = (step.TotalSteps, step.Step);
            bar.Description = Markup.Escape($"{method.Name}, loss {step.Loss:F3}");
        }));
    });
}

// Peak memory is measured per process, so each run gets its own.
Outcome InProcessOfItsOwn(ParseResult parsed, Method method, int seed)
{
    var folder = Path.Combine(Artifacts(parsed), string.Concat(method.Name.Where(char.IsAsciiLetterOrDigit)) + seed);
    string[] arguments = ["--root", parsed.GetValue(root)!, "--one", method.Name, "--seeds", $"{seed}", "--adapter", folder, .. parsed.GetValue(steps) is { } count ? new[] { "--steps", count.ToString(CultureInfo.InvariantCulture) } : []];
    string[] self = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [Environment.GetCommandLineArgs()[0]] : [];
    using var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [.. self, .. arguments]) { RedirectStandardOutput = true })!;
    var output = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    return JsonSerializer.Deserialize<Outcome>(output.TrimEnd().Split('\n')[^1]) ?? throw new InvalidOperationException($"{method.Name} returned no result.");
}

// All that a program needs to use the adapter: the base model and the adapter, which includes labels, pooling and head.
async Task Use(ParseResult parsed, Func<SequenceClassifier, Tokenizer, Task> use)
{
    var folder = Model(parsed);
    var tokenizer = Tokenizer.FromPretrained(folder);
    using var model = SequenceClassifier.FromPretrained(folder);
    using var peft = model.ApplyAdapter(AdapterFolder(parsed));
    model.eval();
    await use(model, tokenizer);
}

IEnumerable<string> ReadLines()
{
    while (Console.ReadLine() is { } line)
        if (!string.IsNullOrWhiteSpace(line)) yield return line;
}
