using Microsoft.Extensions.AI;
using Peft.Checkpoints;
using Peft.Models;
using Peft.Quantization;
using Peft.Report;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Docs.Tests.Snippets;

/// <summary>What the README of each package shows.</summary>
public class Packages : InFolder
{
    [Fact]
    public void Core()
    {
        using var scope = NewDisposeScope();
        var (inputs, labels) = (randn(32, 8), randn(32, 1));
        // snippet: package-core
        using var model = nn.Sequential(("hidden", nn.Linear(8, 16)), ("activation", nn.Tanh()), ("head", nn.Linear(16, 1)));
        using var peft = model.ApplyPartial("head");                       // train one module of any TorchSharp model
        var data = TrainingDataset.From(inputs, labels);
        new Trainer(peft, data) { Loss = batch => nn.functional.mse_loss(model.call(batch.InputIds), batch.Labels!) }.Train();
        peft.SaveAdapter("out/partial");
        // end
        peft.CountParameters().Trainable.ShouldBe(17);
    }

    [Fact]
    public void Lora()
    {
        using var scope = NewDisposeScope();
        var (inputs, labels) = (randn(32, 8), randn(32, 1));
        // snippet: package-lora
        using var model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1));
        using var peft = model.ApplyLora(rank: 4);                         // the base model is frozen
        var trainer = new Trainer(peft, TrainingDataset.From(inputs, labels)) { Loss = batch => nn.functional.mse_loss(model.call(batch.InputIds), batch.Labels!) };
        trainer.Train();
        peft.SaveAdapter("out/lora");                                      // adapter_config.json and adapter_model.safetensors, as Hugging Face PEFT writes them
        peft.MergeAndUnload();                                             // a plain model again
        // end
        PeftModel.Of(model).ShouldBeNull();
    }

    [Fact]
    public void Adapters()
    {
        // snippet: package-adapters
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyIa3();                                 // scales keys, values and the feed-forward network
        peft.Add("bottleneck", new BottleneckOptions { ReductionFactor = 4 });
        peft.Activate("bottleneck");
        // end
        peft.Active.ShouldBe(["bottleneck"]);
    }

    [Fact]
    public void Prefix()
    {
        // snippet: package-prefix
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyPrefixTuning(virtualTokens: 10);       // keys and values that precede the input of each layer
        // end
        peft.Prompts!.PrefixCount.ShouldBe(10);
    }

    [Fact]
    public void Quantization()
    {
        // snippet: package-quantization
        using var model = CausalLM.FromPretrained("models/stories260K", new LoadOptions { Quantization = QuantizationOptions.Nf4(doubleQuantization: true) });
        using var peft = model.ApplyLora(rank: 8);                         // every method works on quantized weights
        // end
        peft.Trainables.ShouldNotBeEmpty();
    }

    [Fact]
    public void Models()
    {
        // snippet: package-models
        using var model = CausalLM.FromPretrained("models/stories260K");   // a folder in Hugging Face's layout, or a model of the hub
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        Console.WriteLine(model.Generate("Once upon a time", tokenizer, new GenerationOptions { MaxNewTokens = 20 }));
        // end
        tokenizer.Encode("Once upon a time").ShouldNotBeEmpty();
    }

    [Fact]
    public void Tokenizers()
    {
        // snippet: package-tokenizers
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");   // a folder in Hugging Face's layout, or a model of the hub
        IReadOnlyList<int> ids = tokenizer.Encode("Once upon a time");
        Console.WriteLine(tokenizer.Decode(ids));

        tokenizer.ChatTemplate ??= ChatTemplate.Parse("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}");   // where the model has none
        Console.WriteLine(tokenizer.ApplyChatTemplate([new(ChatRole.User, "Hello")]).Text);
        // end
        tokenizer.Decode(ids).ShouldBe("Once upon a time");
        tokenizer.ApplyChatTemplate([new(ChatRole.User, "Hello")]).Text.ShouldBe("user: Hello\n");
    }

    [Fact]
    public async Task Hub()
    {
        Snippets.Hub.Cache("org/stories", "models/stories260K");
        var options = new HubOptions { CacheFolder = "cache", Offline = true };
        // snippet: package-hub
        using var hub = new HubClient(options);                           // null for the environment's settings: HF_TOKEN, HF_HOME, HF_HUB_OFFLINE
        string folder = await hub.DownloadModelAsync("org/stories");      // configuration, tokenizer, and weights in one format
        string config = await hub.DownloadFileAsync("org/stories", "config.json");
        // end
        File.Exists(Path.Combine(folder, "tokenizer.json")).ShouldBeTrue();
        File.Exists(config).ShouldBeTrue();
    }

    [Fact]
    public void Reports()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyLora(rank: 4);
        var data = TextDataset.FromFile("train.txt", Tokenizer.FromPretrained("models/stories260K"), blockSize: 64);
        // snippet: package-report
        using var report = new HtmlReport("out/report.html");             // one file, and a log beside it
        new Trainer(peft, data, new TrainingOptions { MaxSteps = 20 }) { Callbacks = [report] }.Train();
        // end
        File.ReadAllText("out/report.html").ShouldContain("Completed after step 20 of 20.");
    }

    [Fact]
    public void Primitives()
    {
        // snippet: package-primitives
        AtomicFolder.Write("out/run", into =>
        {
            File.WriteAllText(Path.Combine(into, "settings.json"), "{}");
            File.WriteAllText(Path.Combine(into, "notes.txt"), "the second file");
        });
        // end
        Directory.GetFiles("out/run").Length.ShouldBe(2);
    }
}
