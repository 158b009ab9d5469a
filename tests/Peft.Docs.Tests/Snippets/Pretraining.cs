using Peft.Models;

namespace Peft.Docs.Tests.Snippets;

public class Pretraining : InFolder
{
    [Fact]
    public void A_model_is_pretrained_from_random_weights()
    {
        // snippet: pretrain-causal
        var tokenizer = new BpeTrainer { VocabularySize = 300 }.TrainFromFiles(["train.txt"]);            // byte-level, like GPT-2's
        var config = ModelConfig.Parse($$"""
            { "model_type": "llama", "vocab_size": {{tokenizer.VocabularySize}}, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4 }
            """);
        using var model = CausalLM.FromConfig(config, seed: 1);                                           // random weights
        using var peft = model.ApplyFull();                                                               // train all of them
        var text = TextDataset.FromFile("train.txt", tokenizer, blockSize: 32);
        var result = new Trainer(peft, text, new() { Epochs = 10, LearningRate = 3e-3 }).Train();
        peft.MergeAndUnload();                                                                            // the trained weights become the model's own
        model.SavePretrained("models/mine");
        tokenizer.Save("models/mine");

        using var loaded = CausalLM.FromPretrained("models/mine");
        Console.WriteLine(loaded.Generate("Once upon", Tokenizer.FromPretrained("models/mine")));
        // end
        result.Losses[^1].ShouldBeLessThan(result.Losses[0]);

        Masked();
        LessMemory();
    }

    private static void LessMemory()
    {
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        using var model = CausalLM.FromPretrained("models/stories260K");
        var text = TextDataset.FromFile("train.txt", tokenizer, blockSize: 32);
        // snippet: pretrain-less-memory
        using (var peft = model.ApplyFull())
        {
            new Trainer(peft, text, new() { MaxSteps = 8, Optimizer = new LayerwiseOptions { Layers = 1, Interval = 2 } }).Train();
            peft.MergeAndUnload();
        }

        var lora = model.ApplyLora(rank: 8, targets: "all-linear");
        new Trainer(lora, text, new() { MaxSteps = 20, Restarts = new RestartOptions { Every = 5, WarmupSteps = 2 } }).Train();
        lora.MergeAndUnload();            // after restarts, the adapter alone is only a part of the update: it cannot be saved
        model.SavePretrained("models/mine");
        // end
        CausalLM.FromPretrained("models/mine").Dispose();
    }

    private static void Masked()
    {
        // snippet: pretrain-masked
        var tokenizer = new WordPieceTrainer { VocabularySize = 200, MaxLength = 64 }.TrainFromFiles(["train.txt"]);
        var config = ModelConfig.Parse($$"""
            { "model_type": "bert", "vocab_size": {{tokenizer.VocabularySize}}, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64 }
            """);
        using var model = MaskedLM.FromConfig(config, seed: 1);
        using var peft = model.ApplyFull();
        var data = MaskedDataset.FromFile("train.txt", tokenizer, new() { WholeWords = true });           // new masks in each epoch
        var result = new Trainer(peft, data, new() { Epochs = 10, LearningRate = 3e-3 }).Train();
        peft.MergeAndUnload();
        model.SavePretrained("models/mine-masked");
        tokenizer.Save("models/mine-masked");
        // end
        double.IsFinite(result.Losses[^1]).ShouldBeTrue();
        using var loaded = MaskedLM.FromPretrained("models/mine-masked");
        Tokenizer.FromPretrained("models/mine-masked").MaskId.ShouldBe(4);
    }
}
