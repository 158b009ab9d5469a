using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Docs.Tests.Snippets;

public sealed class Lora : InFolder
{
    private readonly CausalLM model = CausalLM.FromPretrained("models/stories260K");

    [Fact]
    public void Options()
    {
        // snippet: lora-options
        using var peft = model.ApplyAdapter(new LoraOptions
        {
            Rank = 16,
            Alpha = 32,
            Dropout = 0.05,
            TargetModules = ["q_proj", "k_proj", "v_proj", "o_proj"],
            LayersToTransform = [3, 4],
            RankPattern = new Dictionary<string, int> { ["o_proj"] = 4 },
        });
        // end
        peft.Status().Count.ShouldBe(8);
    }

    [Fact]
    public void Variants()
    {
        // snippet: lora-variants
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 8, UseDora = true, UseRslora = true });
        // end
        peft.CountParameters().Trainable.ShouldBe(8960 + 5 * (64 + 32));   // and a magnitude per output
    }

    [Fact]
    public void Pissa()
    {
        // snippet: lora-pissa
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, Alpha = 4, Initialization = LoraInitialization.Pissa });
        // … train …
        peft.SaveAsPlainLora("out/pissa");   // a plain LoRA of twice the rank, for the unchanged base model
        // end
        ((LoraOptions)AdapterConfig.Read("out/pissa")).Rank.ShouldBe(8);
    }

    [Fact]
    public void Eva()
    {
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        var text = TextDataset.FromFile("train.txt", tokenizer, blockSize: 32);
        // snippet: lora-eva
        var samples = text.Batches(batchSize: 4).Select(rows => text.GetBatch(rows).InputIds);

        using var peft = model.ApplyLora(rank: 4);
        peft.InitializeEva(samples, ids => model.call(ids).Dispose());
        // end
        ((LoraOptions)peft.Find(PeftModel.DefaultName).Options).Initialization.ShouldBe(LoraInitialization.Eva);
    }

    [Fact]
    public void Corda()
    {
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        var text = TextDataset.FromFile("train.txt", tokenizer, blockSize: 32);
        var samples = text.Batches(batchSize: 4).Select(rows => text.GetBatch(rows).InputIds);
        // snippet: lora-corda
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, Alpha = 4, Initialization = LoraInitialization.Corda });
        peft.InitializeCorda(samples, ids => model.call(ids).Dispose());
        // end
        peft.CountParameters().Trainable.ShouldBe(8960 / 2);
    }

    [Fact]
    public void LoRA_GA()
    {
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        var text = TextDataset.FromFile("train.txt", tokenizer, blockSize: 32);
        // snippet: lora-ga
        var batches = text.Batches(batchSize: 4).Take(4).Select(rows => text.GetBatch(rows));

        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, Alpha = 4, Initialization = LoraInitialization.LoraGa });
        peft.InitializeLoraGa(batches, model.Loss);
        // … train …
        peft.SaveAsPlainLora("out/lora-ga");
        // end
        ((LoraOptions)AdapterConfig.Read("out/lora-ga")).Rank.ShouldBe(8);
    }

    [Fact]
    public void Arrow()
    {
        foreach (var name in new[] { "french", "law", "cooking" })
            using (var expert = model.ApplyLora(rank: 4)) expert.SaveAdapter($"out/{name}");
        // snippet: lora-arrow
        using var peft = model.ApplyArrow(["out/french", "out/law", "out/cooking"], new ArrowOptions { TopExperts = 2, Temperature = 0.5 });
        peft.SaveAdapter("out/router", ArrowExtensions.RouterName);   // names its experts: task_0, task_1, …
        // end
        peft.Active.ShouldBe([ArrowExtensions.RouterName]);
    }

    [Fact]
    public void Faster_B_and_frozen_A()
    {
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        var text = TextDataset.FromFile("train.txt", tokenizer, blockSize: 32);
        using var peft = model.ApplyLora();
        // snippet: lora-plus
        var plus = new TrainingOptions { MaxSteps = 2, Optimizer = new AdamWOptions { Groups = ParameterGroups.LoraPlus(ratio: 16) } };
        new Trainer(peft, text, plus).Train();
        // end
        // snippet: lora-fa
        var frozenA = new TrainingOptions { MaxSteps = 2, Optimizer = LoraFa.Optimizer };
        new Trainer(peft, text, frozenA) { GradientTransform = peft.FreezeA() }.Train();
        // end
        peft.Trainables.ShouldAllBe(tensor => tensor.Name.Contains("lora_B"));
    }

    [Fact]
    public void Tokens()
    {
        // snippet: lora-tokens
        using var peft = model.ApplyAdapter(new LoraOptions { TrainableTokenIndices = new[] { 500, 501 } });
        // end
        peft.CountParameters().Trainable.ShouldBe(8960 + 2 * 64);
    }

    [Fact]
    public void Tokens_alone()
    {
        // snippet: tokens-alone
        using var peft = model.ApplyAdapter(new TrainableTokensOptions { TokenIndices = [500, 501] });
        // end
        peft.CountParameters().Trainable.ShouldBe(2 * 64);
    }

    [Fact]
    public void Several()
    {
        using var peft = model.ApplyLora();
        // snippet: lora-combine
        peft.Add("french", new LoraOptions { Rank = 8 });
        peft.Combine("both", [("default", 0.7), ("french", 0.3)], new CombinationOptions { Kind = Combination.Cat });
        peft.ReduceRank("both", "small", rank: 4);
        peft.Activate("small");
        // end
        peft.Adapters.Count.ShouldBe(4);
    }
}
