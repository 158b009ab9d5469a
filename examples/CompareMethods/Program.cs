// Fine-tunes the same pretrained model on the same text with each method, under one budget, and compares test loss, time, memory and size.
//   CompareMethods                     all methods at their recommended learning rates: table and plot; with --docs in docs/comparison.md
//   CompareMethods --rates 1e-3 1e-2   every method at each of these rates, to find the best one
using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using CompareMethods;
using Peft;
using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

TorchRuntime.Require();
var root = new Option<string>("--root") { DefaultValueFactory = _ => ".", Description = "The repository." };
var only = new Option<string[]>("--only") { AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [], Description = "Names of methods, or parts of them; by default all methods." };
var rates = new Option<double[]>("--rates") { AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [], Description = "Learning rates; by default each method's own." };
var steps = new Option<int>("--steps") { DefaultValueFactory = _ => 300, Description = "Optimizer steps of 16 × 128 tokens." };
var docs = new Option<bool>("--docs") { Description = "Write the table and the plot into docs/." };
var one = new Option<string>("--one") { Hidden = true };
var command = new RootCommand("Compares fine-tuning methods on stories260K and tinyshakespeare.") { root, only, rates, steps, docs, one };
command.SetAction(parsed =>
{
    if (parsed.GetValue(one) is { } name)
    {
        Console.WriteLine(JsonSerializer.Serialize(Run(Contestant.All.Single(each => each.Name == name), parsed.GetValue(rates)!.Select(rate => (double?)rate).SingleOrDefault())));
        return;
    }
    var chosen = Contestant.All.Where(each => parsed.GetValue(only) is not { Length: > 0 } parts || parts.Any(part => each.Name.Contains(part, StringComparison.OrdinalIgnoreCase))).ToList();
    double?[] tried = parsed.GetValue(rates) is { Length: > 0 } given ? [.. given.Select(rate => (double?)rate)] : [null];
    var results = new List<Result>();
    foreach (var contestant in chosen)
        foreach (var rate in tried)
        {
            results.Add(InProcessOfItsOwn(contestant, rate));
            Console.WriteLine(results[^1]);
        }
    Report.Show(results);
    if (parsed.GetValue(docs)) Report.WriteDocs(parsed.GetValue(root)!, results);

    // Peak memory is measured per process, so each run gets its own.
    Result InProcessOfItsOwn(Contestant contestant, double? rate)
    {
        string[] arguments = ["--root", parsed.GetValue(root)!, "--steps", parsed.GetValue(steps).ToString(CultureInfo.InvariantCulture), "--one", contestant.Name,
            .. rate is { } value ? new[] { "--rates", value.ToString("R", CultureInfo.InvariantCulture) } : []];
        string[] self = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [Environment.GetCommandLineArgs()[0]] : [];
        using var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [.. self, .. arguments]) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return JsonSerializer.Deserialize<Result>(output.TrimEnd().Split('\n')[^1]) ?? throw new InvalidOperationException($"{contestant.Name} returned no result.");
    }

    Result Run(Contestant contestant, double? rate)
    {
        const int blockSize = 128;
        var device = cuda.is_available() ? CUDA : CPU;
        var (models, data) = (Path.Combine(parsed.GetValue(root)!, "models", "stories260K"), Path.Combine(parsed.GetValue(root)!, "data", "tinyshakespeare"));
        using var model = CausalLM.FromPretrained(models, new LoadOptions { Device = device });
        var tokenizer = Tokenizer.FromPretrained(models);
        var train = TextDataset.FromFile(Path.Combine(data, "train.txt"), tokenizer, blockSize);
        var test = TextDataset.FromFile(Path.Combine(data, "test.txt"), tokenizer, blockSize);

        manual_seed(42);
        using var peft = model.ApplyAdapter(contestant.Options);
        var result = new Trainer(peft, train, new TrainingOptions
        {
            MaxSteps = parsed.GetValue(steps), BatchSize = 16, LearningRate = rate, Schedule = LearningRateSchedule.Cosine(), WarmupRatio = 0.05, MaxGradientNorm = 1,
        }).Train();

        var folder = Directory.CreateTempSubdirectory("compare-").FullName;
        peft.SaveAdapter(folder);
        var bytes = new FileInfo(Path.Combine(folder, AdapterCheckpoint.FileName)).Length;
        Directory.Delete(folder, recursive: true);
        return new Result(contestant.Name, rate ?? peft.RecommendedLearningRate, TestLoss(model, test, device), peft.CountParameters().Trainable, result.Elapsed.TotalSeconds,
            Process.GetCurrentProcess().PeakWorkingSet64 / 1048576.0, bytes);
    }
});
return command.Parse(args).Invoke();

// Mean loss over the first 200 blocks of the test text.
static double TestLoss(CausalLM model, TrainingDataset test, Device device)
{
    using var _ = no_grad();
    model.eval();
    var sum = 0.0;
    const int blocks = 200, batch = 20;
    for (var start = 0; start < blocks; start += batch)
    {
        using var scope = NewDisposeScope();
        using var rows = test.GetBatch([.. Enumerable.Range(start, batch)]);
        sum += model.Loss(rows.To(device)).item<float>() * batch;
    }
    return sum / blocks;
}
