using Peft.Models;
using Peft.Report;

namespace Peft.Docs.Tests.Snippets;

/// <summary>The code of docs/reports.md.</summary>
public class Reports : InFolder
{
    [Fact]
    public void A_run_with_samples_and_a_comparison()
    {
        var training = new TrainingOptions { MaxSteps = 6, BatchSize = 2 };
        foreach (var rank in new[] { 2, 8 })
        {
            using var model = CausalLM.FromPretrained("models/stories260K");
            var tokenizer = Tokenizer.FromPretrained("models/stories260K");
            var data = TextDataset.FromFile("train.txt", tokenizer, blockSize: 64);
            using var peft = model.ApplyLora(rank: rank);
            // snippet: report-callback
            using var report = new HtmlReport($"runs/rank-{rank}/report.html")
            {
                Name = $"rank {rank}",
                Prompts = ["Once upon a time"],
                Complete = prompt => model.Generate(prompt, tokenizer, new GenerationOptions { MaxNewTokens = 40 }),
            };
            var trainer = new Trainer(peft, data, training) { Evaluation = data, Callbacks = [report] };
            // end
            trainer.Train();
            // snippet: report-updates
            foreach (LayerUpdate layer in peft.Updates("default", singularValues: true))
                Console.WriteLine($"{layer.Path}: drift {layer.Drift:P1}, {layer.StableRank:F1} directions");
            // end
        }
        // snippet: report-comparison
        RunRecord small = RunRecord.Read("runs/rank-2/report.jsonl"), large = RunRecord.Read("runs/rank-8/report.jsonl");
        ComparisonPage.Write([small, large], "runs/comparison.html");
        // end
        small.LastStep.ShouldBe(6);
        File.ReadAllText("runs/comparison.html").ShouldContain("rank 8");
        File.ReadAllText("runs/rank-8/report.html").ShouldContain("Once upon a time");
    }
}
