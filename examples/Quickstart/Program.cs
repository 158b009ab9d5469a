// Fine-tunes a pretrained Llama of 260,000 parameters, trained on children's stories, with LoRA on Shakespeare. Then it saves the
// adapter, loads it again, merges it, and shows that all three compute the same outputs.
using System.Diagnostics;
using System.Text.Json;
using Peft;
using Peft.Models;
using Spectre.Console;
using TorchSharp;
using static TorchSharp.torch;

var total = Stopwatch.StartNew();
TorchRuntime.Require();
var root = args.ElementAtOrDefault(0) ?? ".";
var output = args.ElementAtOrDefault(1) ?? Path.Combine(root, "artifacts", "quickstart");
var device = cuda.is_available() ? CUDA : CPU;
const int blockSize = 128;
const string prompt = "ROMEO:\n";

// A pretrained model, its tokenizer and the data.
var modelFolder = Path.Combine(root, "models", "stories260K");
using var model = CausalLM.FromPretrained(modelFolder, new LoadOptions { Device = device });
var tokenizer = Tokenizer.FromPretrained(modelFolder);
var train = TextDataset.FromFile(Path.Combine(root, "data", "tinyshakespeare", "train.txt"), tokenizer, blockSize);
var test = TextDataset.FromFile(Path.Combine(root, "data", "tinyshakespeare", "test.txt"), tokenizer, blockSize);

var lossBefore = TestLoss(model);
var sampleBefore = Sample(model);

// LoRA on every linear layer. The model itself stays frozen.
using var peft = model.ApplyLora(rank: 8, alpha: 16, targets: ModuleSelector.AllLinear);
AnsiConsole.WriteLine(peft.CountParameters().ToString());

var trainer = new Trainer(peft, train, new TrainingOptions
{
    MaxSteps = 300, BatchSize = 16, LearningRate = 1e-2, Schedule = LearningRateSchedule.Cosine(), WarmupRatio = 0.05, MaxGradientNorm = 1,
});
var result = await Train(trainer);
Plot(result.Losses, Path.Combine(output, "loss.png"));

var lossAfter = TestLoss(model);
var sampleAfter = Sample(model);
Show("Before", sampleBefore);
Show("After 300 steps", sampleAfter);

// Saved in Hugging Face PEFT's format, loaded into a fresh model, and merged into plain weights.
peft.SaveAdapter(output);
var adapterBytes = new FileInfo(Path.Combine(output, AdapterCheckpoint.FileName)).Length;
using var fresh = CausalLM.FromPretrained(modelFolder, new LoadOptions { Device = device });
using var reloaded = fresh.ApplyAdapter(output);
var logits = Logits(model);
var logitsReloaded = Logits(fresh);
reloaded.MergeAndUnload();
var logitsMerged = Logits(fresh);

var table = new Table().AddColumn("model").AddColumn("test loss").AddColumn("largest difference in logits");
table.AddRow("pretrained", $"{lossBefore:F4}", "");
table.AddRow("with the trained adapter", $"{lossAfter:F4}", "");
table.AddRow("adapter saved and loaded again", $"{lossAfter:F4}", $"{Difference(logits, logitsReloaded):G3}");
table.AddRow("adapter merged into the weights", $"{TestLoss(fresh):F4}", $"{Difference(logits, logitsMerged):G3}");
AnsiConsole.Write(table);
AnsiConsole.WriteLine($"Adapter and loss curve: {Path.GetFullPath(output)}");

Console.WriteLine(JsonSerializer.Serialize(new
{
    test_loss_before = Math.Round(lossBefore, 4),
    test_loss_after = Math.Round(lossAfter, 4),
    train_seconds = Math.Round(result.Elapsed.TotalSeconds, 2),
    total_seconds = Math.Round(total.Elapsed.TotalSeconds, 2),
    trainable_parameters = peft.CountParameters().Trainable,
    adapter_bytes = adapterBytes,
    peak_rss_mb = Math.Round(Process.GetCurrentProcess().PeakWorkingSet64 / 1048576.0, 1),
}));

// Mean loss over the first 200 blocks of the test text.
double TestLoss(CausalLM of)
{
    using var _ = no_grad();
    var sum = 0.0;
    const int blocks = 200, batch = 20;
    for (var start = 0; start < blocks; start += batch)
    {
        using var scope = NewDisposeScope();
        using var rows = test.GetBatch([.. Enumerable.Range(start, batch)]);
        sum += of.Loss(rows.To(device)).item<float>() * batch;
    }
    return sum / blocks;
}

string Sample(CausalLM of)
    => prompt + of.Generate(prompt, tokenizer, new GenerationOptions { MaxNewTokens = 160, DoSample = true, Temperature = 0.8, TopP = 0.95, Seed = 7 });

Tensor Logits(CausalLM of)
{
    using var _ = no_grad();
    using var rows = test.GetBatch([0, 1, 2, 3]);
    return of.forward(rows.InputIds.to(device));
}

static float Difference(Tensor a, Tensor b) => (a - b).abs().max().item<float>();

static void Show(string title, string text) => AnsiConsole.Write(new Panel(new Text(text.Trim())).Header(title).Expand());

static async Task<TrainingResult> Train(Trainer trainer)
{
    TrainingResult? result = null;
    await AnsiConsole.Progress().Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn()).StartAsync(async context =>
    {
        var bar = context.AddTask("training", maxValue: trainer.Options.MaxSteps!.Value);
        result = await trainer.TrainAsync(new Progress<TrainingProgress>(at =>
        {
            bar.Value = at.Step;
            bar.Description = $"loss {at.Loss:F3}";
        }));
        bar.Value = bar.MaxValue;
    });
    return result!;
}

static void Plot(IReadOnlyList<double> losses, string file)
{
    Directory.CreateDirectory(Path.GetDirectoryName(file)!);
    using var plot = new ScottPlot.Plot();
    plot.Add.Signal(losses.ToArray());
    plot.XLabel("step");
    plot.YLabel("training loss");
    plot.SavePng(file, 800, 450);
}
