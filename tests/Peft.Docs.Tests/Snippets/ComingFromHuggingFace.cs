using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;
using Peft.Models;
using Peft.Quantization;
using Peft.Report;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Docs.Tests.Snippets;

/// <summary>The page on Hugging Face's calls: each of its expressions is in this file, word for word, and runs.</summary>
public partial class ComingFromHuggingFace : InFolder
{
    private const string Page = "docs/coming-from-hugging-face.md";

    [Fact]
    public void Every_expression_on_the_page_is_one_that_runs_here()
    {
        var code = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Snippets", $"{nameof(ComingFromHuggingFace)}.cs"));
        var page = Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "pages"), Path.GetFileName(Page), SearchOption.AllDirectories).Single();
        var rows = File.ReadLines(page).Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Select(line => Column().Split(line)).Where(columns => columns.Length >= 4 && !columns[1].Contains("---", StringComparison.Ordinal)).ToList();
        rows.Count.ShouldBeGreaterThan(50);
        rows.SelectMany(columns => Code().Matches(columns[2])).Select(match => match.Groups[1].Value).Where(each => !code.Contains(each, StringComparison.Ordinal)).ShouldBeEmpty();
    }

    [Fact]
    public void Models_and_tokenizers()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        using (CausalLM.FromPretrained("models/stories260K", new LoadOptions { Dtype = ScalarType.BFloat16, Device = CPU })) { }
        using (SequenceClassifier.FromPretrained("models/stories260K", new LoadOptions { LabelCount = 3 })) { }
        using (FeatureExtractor.FromPretrained("models/stories260K")) { }
        Func<string, LoadOptions?, nn.Module>[] others = [Seq2SeqLM.FromPretrained, MaskedLM.FromPretrained, TokenClassifier.FromPretrained, QuestionAnswerer.FromPretrained];
        others.ShouldAllBe(open => open != null);
        model.Config.ModelType.ShouldBe("llama");
        model.CheckpointActivations = true;
        model.SavePretrained("out/model");

        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        var ids = tokenizer.Encode("Once upon a time");
        string[] texts = ["Once upon a time", "Tim"];
        tokenizer.EncodeBatch(texts, new EncodeOptions { Padding = PaddingStrategy.Longest, MaxLength = 64, PadId = 0 }).Count.ShouldBe(2);
        tokenizer.Decode(ids).ShouldContain("Once");
        tokenizer.ChatTemplate = ChatTemplate.Parse("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}");
        ChatMessage[] messages = [new(ChatRole.User, "Hi")];
        tokenizer.ApplyChatTemplate(messages).Ids.ShouldNotBeEmpty();
        tokenizer.ChatTemplate = ChatTemplate.Parse("{{ tools | tojson }}");
        var weather = AIFunctionFactory.Create((string city) => 21, "weather");
        tokenizer.ApplyChatTemplate(messages, new ChatTemplateOptions { Tools = [weather] }).Text.ShouldContain("weather");
        tokenizer.AddTokens(["<new>"]);
        model.ResizeTokenEmbeddings(tokenizer.VocabularySize);
        tokenizer.Save("out/model");

        model.Generate("Once upon a time", tokenizer, new GenerationOptions { MaxNewTokens = 8, DoSample = true, Temperature = 0.8, Seed = 1 }).ShouldNotBeEmpty();
        model.Generate(texts, tokenizer).Count.ShouldBe(2);
        foreach (var piece in model.GenerateText("Once upon a time", tokenizer)) piece.ShouldNotBeNull();
        using IChatClient client = model.AsChatClient(tokenizer);
        using IChatClient calling = model.AsChatClient(tokenizer).AsBuilder().UseFunctionInvocation().Build();
    }

    [Fact]
    public void Tasks()
    {
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        File.WriteAllLines("labels.jsonl", ["""{"text": "Tim ran.", "label": "run"}""", """{"text": "Tim sat.", "label": "sit"}"""]);
        File.WriteAllLines("tags.jsonl", ["""{"tokens": ["Tim", "ran"], "tags": ["B-person", "O"]}"""]);
        ClassificationDataset.FromFile("labels.jsonl", tokenizer).Labels.ShouldBe(["run", "sit"]);
        TaggingDataset.FromFile("tags.jsonl", tokenizer).Labels.ShouldBe(["O", "B-person"]);
        string[] texts = ["Tim ran.", "Tim sat."];
        using var classifier = SequenceClassifier.FromPretrained("models/stories260K");
        using var tagger = TokenClassifier.FromPretrained("models/stories260K");
        using var answerer = QuestionAnswerer.FromPretrained("models/stories260K");
        using var features = FeatureExtractor.FromPretrained("models/stories260K");
        classifier.Classify(texts, tokenizer).Count.ShouldBe(2);
        var tagged = tagger.Tag("Tim went to the park.", tokenizer);
        tagged.Words.Count.ShouldBe(6);
        tagged.Entities.ShouldAllBe(entity => entity.Text.Length > 0);
        answerer.Answer("Who went to the park?", "Tim went to the park.", tokenizer).ShouldNotBeNull();
        features.Embed(texts, tokenizer).Count.ShouldBe(2);
    }

    [Fact]
    public void Adapters()
    {
        using (var first = CausalLM.FromPretrained("models/stories260K"))
        {
            first.ApplyAdapter(new LoraOptions { Rank = 4 }).SaveAdapter("out/b");
        }
        using (var model = CausalLM.FromPretrained("models/stories260K"))
        {
            var config = new LoraOptions { Rank = 16, Alpha = 32, TargetModules = ["q_proj", "v_proj"], Dropout = 0.05 };
            AdapterOptions[] others = [new LoraOptions { TargetModules = "all-linear" }, new Ia3Options(), new PrefixTuningOptions { VirtualTokens = 20 }, new LoraOptions { TaskType = "CAUSAL_LM" },
                new LoraOptions { UseDora = true, UseRslora = true }, new LoraOptions { ModulesToSave = ["embed_tokens"] }, new LoraOptions { InitializationSeed = 42 }];
            others.ShouldAllBe(options => options.PeftType.Length > 0);
            var peft = model.ApplyAdapter(config);
            peft.PrintTrainableParameters(TextWriter.Null);
            peft.PrintTrainableParameters();
            peft.CountParameters().Trainable.ShouldBeGreaterThan(0);
            peft.Status().ShouldNotBeEmpty();
            peft.SaveAdapter("out/a");
            Func<HubClient, Task> upload = async hub => await hub.UploadFolderAsync("me/my-adapter", "out/a");   // not run: it needs an account
            upload.ShouldNotBeNull();
            peft.LoadAdapter("out/b", name: "b");
            peft.Add("c", config);
            peft.Activate("b");
            peft.Activate("default", "b");
            using (peft.WithoutAdapters()) { }
            using (peft.Rows("default", "b")) { }
            peft.Combine("mix", [("default", 0.7), ("b", 0.3)], new CombinationOptions { Kind = Combination.Svd });
            peft.Rename("mix", "mixed");
            peft.ConvertToLora("default", "lora", energy: 0.9);
            peft.Delete("c");
            peft.Unfreeze("b");
            peft.HotSwap("b", "out/b");
            peft.StateOf(peft.Find("default")).ShouldNotBeEmpty();
            AdapterConfig.Read("out/a").ShouldBeOfType<LoraOptions>();
            peft.Merge();
            peft.Unmerge();
            peft.Unload();
        }
        using (var model = CausalLM.FromPretrained("models/stories260K"))
        {
            var peft = model.ApplyAdapter("out/a");
            peft.Trainables.ShouldBeEmpty();
            peft.MergeAndUnload();
        }
        using (var model = CausalLM.FromPretrained("models/stories260K"))
        using (var peft = model.ApplyAdapter("out/a", trainable: true))
            peft.Trainables.ShouldNotBeEmpty();
        using var auto = AutoPeftModel.ForCausalLM("out/a");
        auto.Peft.Active.ShouldBe(["default"]);
    }

    [Fact]
    public void Further_methods()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        Batch[] batches = [new() { InputIds = tensor(new long[,] { { 1, 403, 407, 261 } }), Labels = tensor(new long[,] { { 1, 403, 407, 261 } }) }];
        AdapterOptions options = new LoraOptions { Initialization = LoraInitialization.LoraGa };
        using (var peft = model.ApplyAdapter(options)) peft.InitializeLoraGa(batches, model.Loss);
        string[] folders = ["out/x", "out/y"];
        foreach (var folder in folders)
            using (var peft = model.ApplyLora(rank: 4)) peft.SaveAdapter(folder);
        using (model.ApplyArrow(folders, new ArrowOptions { TopExperts = 2 })) { }
        using (var peft = model.ApplyAdapter(ReftOptions.LoReft, "a")) peft.SaveToAdapterHub("out/a", "a");
    }

    [Fact]
    public void Trl()
    {
        File.WriteAllLines("rows.jsonl", Enumerable.Range(0, 10).Select(i => $$"""{"question": "Once {{i}}", "answer": " upon a time."}"""));
        File.WriteAllLines("pairs.jsonl", Enumerable.Range(0, 4).Select(i => $$"""{"prompt": "The dog {{i}}", "chosen": " was happy.", "rejected": " was sad."}"""));
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        var rows = Dataset.Load("rows.jsonl");
        rows = rows.RenameColumn("question", "prompt").RenameColumn("answer", "completion");
        Dataset.Load("rows.jsonl").RenameColumn("question", "prompt").Columns.ShouldContain("prompt");
        rows.TrainTestSplit(0.2).Test.Count().ShouldBe(2);
        var sft = SftDataset.From(rows, tokenizer, new SftDatasetOptions { Packing = PackingStrategy.BestFit, MaxLength = 64, AssistantOnly = false });
        SftDataset.From(rows, tokenizer, cache: new TokenCache("out/cache")).Count.ShouldBe(10);
        using (var stream = StreamedDataset.From(rows, batch => SftDataset.From(batch, tokenizer))) stream.Count.ShouldBe(10);
        var pairs = PreferenceDataset.FromFile("pairs.jsonl", tokenizer);
        var rewards = RewardDataset.FromFile("pairs.jsonl", tokenizer);
        var prompts = PromptDataset.FromRows([new() { ["prompt"] = "Once upon a time" }], tokenizer);
        var rollouts = new RolloutOptions { Tokenizer = tokenizer, MaxCompletionLength = 4, Rewards = [RewardFunction.Of("length", completion => -completion.Text!.Length)] };
        new SftOptions { NeftuneAlpha = 5 }.NeftuneAlpha.ShouldBe(5);
        using var model = CausalLM.FromPretrained("models/stories260K");
        using (var quantized = CausalLM.FromPretrained("models/stories260K", new LoadOptions { Quantization = QuantizationOptions.Nf4() }))
        using (var started = quantized.ApplyLora()) started.InitializeLoftQ("models/stories260K");
        using var scorer = SequenceClassifier.FromPretrained("models/stories260K", new LoadOptions { LabelCount = 1 });
        using var scored = scorer.ApplyLora();
        using var peft = model.ApplyLora();
        Trainer[] trainers =
        [
            SftTrainer.Create(peft, sft), RewardTrainer.Create(scored, rewards), DpoTrainer.Create(peft, pairs, new() { Beta = 0.1, Losses = [DpoLoss.Ipo] }),
            GrpoTrainer.Create(peft, prompts, rollouts, new() { Beta = 0.04 }),
        ];
        trainers.ShouldAllBe(trainer => trainer.Objective != null);
        RolloutOptions[] sizes = [rollouts with { Generations = 8 }, rollouts with { MiniBatches = 2, Iterations = 3 }];
        (sizes[0].Generations * new TrainingOptions { BatchSize = 4 }.BatchSize).ShouldBe(32);
        typeof(RewardFunctions).GetMethods().Length.ShouldBeGreaterThan(3);
        pairs.PrecomputeReference(new DpoObjective(peft)).Count.ShouldBe(4);
        Delegate[] others = [KtoTrainer.Create, OrpoTrainer.Create, PpoTrainer.Create];
        others.Length.ShouldBe(3);
        Type[] objectives = [typeof(CpoObjective), typeof(BcoObjective), typeof(RlooObjective), typeof(OnlineDpoObjective), typeof(GkdObjective)];
        objectives.ShouldAllBe(type => type.IsSubclassOf(typeof(Objective)));
    }

    [Fact]
    public void Exports()
    {
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        using var model = CausalLM.FromPretrained("models/stories260K");
        using (var peft = model.ApplyLora())
        {
            peft.SaveGguf("out/adapter.gguf");
            peft.SaveOnnx("out/base.onnx");
            peft.SaveOnnxGenAI("out/genai", tokenizer);
            File.Exists("out/genai/default.onnx_adapter").ShouldBeTrue();
        }
        Directory.Delete("out/genai", recursive: true);
        model.SaveGguf("out/model.gguf", tokenizer, GgufWeights.Q8_0);
        model.SaveOnnx("out/model.onnx");
        model.SaveOnnx("out/half.onnx", options: new() { Dtype = ScalarType.Float16 });
        new FileInfo("out/half.onnx").Length.ShouldBeLessThan(new FileInfo("out/model.onnx").Length);
        model.SaveOnnxGenAI("out/genai", tokenizer);
        File.Exists("out/genai/genai_config.json").ShouldBeTrue();
        Directory.GetFiles("out").Length.ShouldBe(5);
    }

    [Fact]
    public void Training()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        File.WriteAllText("rows.jsonl", """{"prompt": "Once", "completion": " upon a time."}""" + "\n");
        using var peft = model.ApplyLora();
        InstructionDataset.FromFile("rows.jsonl", tokenizer).Count.ShouldBe(1);
        var data = TextDataset.FromFile("train.txt", tokenizer, blockSize: 64);
        var arguments = new TrainingOptions
        {
            OutputFolder = "out/run", Epochs = 1, MaxSteps = 2, BatchSize = 4, GradientAccumulation = 1, LearningRate = 1e-3, WarmupRatio = 0.1, WarmupSteps = 0, Seed = 42,
            Schedule = LearningRateSchedule.Cosine(), MaxGradientNorm = 1, Optimizer = new AdamWOptions { WeightDecay = 0.01 }, LogEverySteps = 10, SaveEverySteps = 1, KeepCheckpoints = 2,
            EvaluateEverySteps = 1, LoadBestAtEnd = true, BestMetric = "loss", GroupByLength = true, TensorBoardFolder = "out/board",
        };
        var trainer = new Trainer(peft, data, arguments) { Evaluation = data };
        trainer.AddCallback(new HtmlReport("out/report.html"));
        trainer.Train(new ProgressPrinter());
        trainer.Evaluate().Loss.ShouldBeGreaterThan(0);
        var resumed = arguments with { ResumeFrom = Trainer.FindLastCheckpoint("out/run") };
        resumed.ResumeFrom.ShouldNotBeNull();
        new ModuleTrainable(model).Module.ShouldBe(model);
    }

    // A bar in code is written \| in a table.
    [GeneratedRegex(@"(?<!\\)\|")]
    private static partial Regex Column();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();
}
