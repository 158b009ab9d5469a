// QLoRA under a bound of memory: fine-tunes the largest model that fits, in the most precise form in which it does.
//   QLora --memory 1GB                          the largest of the default models
//   QLora --memory 6GB --models my/folder Qwen/Qwen2.5-1.5B
//   QLora --docs docs                           what models of 1B to 70B need, estimates beside measurements, and what adapters learn, into docs/quantization.md
using System.CommandLine;
using Examples;
using Peft;
using QLora;
using static System.FormattableString;

var memory = new Option<string>("--memory") { DefaultValueFactory = _ => "1GB", Description = "What the process may take: 700MB, 8GB." };
var models = new Option<string[]>("--models") { AllowMultipleArgumentsPerToken = true, Description = "Folders, or ids on the hub. By default SmolLM2 of three sizes, and a small model in the repository." };
var root = new Option<string>("--root") { DefaultValueFactory = _ => ".", Description = "The repository." };
var steps = new Option<int>("--steps") { DefaultValueFactory = _ => 100, Description = "Number of training steps." };
var docs = new Option<string?>("--docs") { Description = "Write the tables into quantization.md in this folder." };
var measure = new Option<string[]>("--measure") { Arity = new(2, 2), AllowMultipleArgumentsPerToken = true, Hidden = true };
var command = new RootCommand("Fine-tunes the largest model that fits in memory.") { memory, models, root, steps, docs, measure };
command.SetAction(parsed =>
{
    TorchRuntime.Require();
    if (parsed.GetValue(measure) is [var folder, var name])
    {
        Measured.Report(folder, name);
        return 0;
    }
    if (parsed.GetValue(docs) is { } pages)
    {
        var page = Path.Combine(pages, "quantization.md");
        foreach (var (part, table) in new[] { ("sizes", Sizes.Table()), ("measured", Measured.Table(Path.Combine(parsed.GetValue(root)!, "artifacts", "qlora"))), ("quality", Quality.Table(parsed.GetValue(root)!)) })
        {
            table.Show();
            table.WriteTo(page, part);
        }
        return 0;
    }
    var bound = ProcessMemory.Parse(parsed.GetValue(memory)!);
    var own = ProcessMemory.Now;
    string[] names = parsed.GetValue(models) is { Length: > 0 } given ? given
        : ["HuggingFaceTB/SmolLM2-1.7B", "HuggingFaceTB/SmolLM2-360M", "HuggingFaceTB/SmolLM2-135M", Path.Combine(parsed.GetValue(root)!, "models", "stories260K")];
    List<Candidate> candidates = [.. names.Select(Candidate.Open).OfType<Candidate>()];
    const int tokens = FineTuning.Rows * FineTuning.Length;
    Console.WriteLine($"The process itself takes {ProcessMemory.Show(own)} of {ProcessMemory.Show(bound)}. Training takes:");
    new ResultsTable(["model", .. Precision.Offered.Select(each => each.Name)], candidates.Select(model => (string[])[model.Name, .. Precision.Offered.Select(each => ProcessMemory.Show(model.Needs(each, tokens).Total))])).Show();
    if (Choice.Of(candidates, tokens, bound - own) is not { } choice)
    {
        Console.Error.WriteLine($"None of the models fits in {ProcessMemory.Show(bound)}: raise --memory, or name a smaller model with --models.");
        return 1;
    }
    Console.WriteLine($"Chosen: {choice.Model.Name} in {choice.Precision.Name}.");
    var output = Path.Combine(parsed.GetValue(root)!, "artifacts", "qlora", "adapter");
    var result = FineTuning.Run(choice, Path.Combine(parsed.GetValue(root)!, "data", "tinyshakespeare"), parsed.GetValue(steps), output, new ProgressPrinter(lines: 5));
    Console.WriteLine(Invariant($"Perplexity of the test text {result.Before:F1} before, {result.After:F1} after {parsed.GetValue(steps)} steps in {result.Seconds:F0} s. Peak memory {ProcessMemory.Show(ProcessMemory.Peak)}. Adapter in {output}."));
    if (ProcessMemory.Peak > bound) Console.WriteLine($"That is more than {ProcessMemory.Show(bound)}: the estimates do not count freed memory that the allocator keeps. Leave room, or see docs/quantization.md.");
    return 0;
});
return command.Parse(args).Invoke();
