using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Docs.Tests.Snippets;

public class Readme : InFolder
{
    [Fact]
    public async Task Train_save_load_and_serve()
    {
        var console = Console.Out;
        using var printed = new StringWriter();
        Console.SetOut(printed);
        try
        {
            await Train();
        }
        finally
        {
            Console.SetOut(console);
        }
        var lines = printed.ToString().Trim().ReplaceLineEndings("\n").Split('\n');
        lines[0].ShouldBe("trainable: 8,960 || all: 268,992 || 3.331%");   // as the page says
        lines[1].ShouldStartWith("step 1/");
        lines.Length.ShouldBeInRange(2, 40);
        using (var other = CausalLM.FromPretrained("models/stories260K"))
        using (var french = other.ApplyAdapter(new LoraOptions { Rank = 4, Initialization = LoraInitialization.Random }, "french"))
            french.SaveAdapter("out");
        Serve();
    }

    private static async Task Train()
    {
        // snippet: train
        using var model = CausalLM.FromPretrained("models/stories260K");   // a folder in Hugging Face's layout
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");

        using var peft = model.ApplyLora(rank: 8, alpha: 16);              // any nn.Module: yours too
        peft.PrintTrainableParameters();                                   // trainable: 8,960 || all: 268,992 || 3.331%

        var text = TextDataset.FromFile("train.txt", tokenizer, blockSize: 64);
        var trainer = new Trainer(peft, text, new TrainingOptions { Epochs = 1, LearningRate = 1e-3 });
        TrainingResult result = await trainer.TrainAsync(new ProgressPrinter());   // prints: step 1/85, epoch 0.01: loss …

        peft.SaveAdapter("out/shakespeare");                               // the two files that Hugging Face PEFT writes
        peft.MergeAndUnload();                                             // a plain model again, at full speed
        // end
        double.IsFinite(result.Losses[^1]).ShouldBeTrue();
        PeftModel.Of(model).ShouldBeNull();
    }

    [Fact]
    public void Classify()
    {
        CopyData("banking77");
        // snippet: classify-tour
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        var data = ClassificationDataset.FromFile("banking77/train.jsonl", tokenizer);   // JSON Lines or CSV: text, label
        using var model = SequenceClassifier.FromPretrained("models/stories260K", data.Labels);
        using var peft = model.ApplyLora(rank: 8);
        new Trainer(peft, data).Train();
        Console.WriteLine(model.Classify("Someone stole my phone!", tokenizer));
        // end
        data.Labels.ShouldContain(model.Classify("Someone stole my phone!", tokenizer).Label);
    }

    private static void Serve()
    {
        using var scope = NewDisposeScope();
        // snippet: serve
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyAdapter("out/shakespeare");            // written here or by Hugging Face PEFT; frozen unless trainable: true
        peft.LoadAdapter("out/french", name: "french");                    // a second adapter

        using var tokens = tensor(new long[,] { { 1, 403, 407 }, { 1, 403, 407 }, { 1, 403, 407 } });
        using (peft.Rows("default", "french", PeftModel.Base))             // one batch, an adapter for each row
        using (var logits = model.call(tokens)) { /* … */ }

        peft.Activate("french");                                           // one adapter, or several, nested
        using (peft.WithoutAdapters())                                     // the base model, until the scope ends
        using (var logits = model.call(tokens)) { /* … */ }

        peft.HotSwap("french", "out/shakespeare");                         // replaces its weights while the model serves
        // end
        peft.Active.ShouldBe(["french"]);
    }
}
