using Peft.Models;
using Peft.Quantization;

namespace Peft.Docs.Tests.Snippets;

public class Instructions : InFolder
{
    [Fact]
    public void A_model_learns_instructions()
    {
        File.WriteAllLines("instructions.jsonl", Enumerable.Range(0, 20).Select(i => $$"""{"prompt": "Write the first line of a story.\\n", "completion": "Once upon a time, {{i}} dogs ran."}"""));
        // snippet: instruct
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        using var model = CausalLM.FromPretrained("models/stories260K", new LoadOptions { Quantization = QuantizationOptions.Nf4() });   // optional: saves memory
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 8, Alpha = 16, TargetModules = "all-linear" });

        var (train, test) = Dataset.Load("instructions.jsonl").TrainTestSplit(testShare: 0.1);                // {"prompt": …, "completion": …}
        var options = new SftDatasetOptions { MaxLength = 512, Packing = PackingStrategy.BestFit };
        var trainer = SftTrainer.Create(peft, SftDataset.From(train, tokenizer, options), training: new() { Epochs = 3, BatchSize = 4, OutputFolder = "out/run" },
            evaluation: SftDataset.From(test, tokenizer, options));
        TrainingResult result = trainer.Train(new ProgressPrinter());

        peft.SaveAdapter("out/instruct");
        Console.WriteLine(model.Generate("Write the first line of a story.\n", tokenizer, new() { MaxNewTokens = 16 }));
        // end
        result.Losses[^1].ShouldBeLessThan(result.Losses[0]);
    }
}
