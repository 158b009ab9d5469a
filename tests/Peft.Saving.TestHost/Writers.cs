using Peft.Checkpoints;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Saving.TestHost;

/// <summary>What saves several files into one folder, by the number that all of them are to hold.</summary>
internal static class Writers
{
    private const string Config = """
        {"model_type":"llama","hidden_size":16,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,"intermediate_size":24,"vocab_size":20}
        """;

    /// <summary>Makes what the writers start from.</summary>
    public static void Prepare(string root)
    {
        using var model = Create();
        foreach (var name in new[] { "law", "code" })
        {
            using var peft = model.ApplyLora(rank: 2);
            peft.SaveAdapter(Path.Combine(root, "start", name));
        }
    }

    public static Action<int> Adapter(string folder) => number =>
    {
        using var tensor = full([4, 64], number);
        AdapterCheckpoint.Write(folder, new LoraOptions { Rank = 4, Alpha = number, TargetModules = ["q_proj"] }, new Dictionary<string, Tensor> { ["lora_A.weight"] = tensor, ["lora_B.weight"] = tensor });
    };

    public static Action<int> Experts(string root, string folder)
    {
        var peft = Create().ApplyAdapter(new XLoraOptions { Adapters = new[] { "law", "code" }.ToDictionary(name => name, name => Path.Combine(root, "start", name)), Depth = 1 });
        return number =>
        {
            using (no_grad())
                foreach (var (_, tensor) in peft.Find(PeftModel.DefaultName).Tensors) tensor.Value.fill_(number);
            peft.SaveAdapter(folder);
        };
    }

    public static Action<int> Model(string folder)
    {
        var model = Create();
        return number =>
        {
            using (no_grad())
                foreach (var parameter in model.parameters()) parameter.fill_(number);
            model.SavePretrained(folder, maxShardBytes: (number % 3) switch { 0 => 2000, 1 => 4000, _ => 1_000_000 });
        };
    }

    public static Action<int> Tokenizer(string root, string folder)
    {
        var tokenizers = new[] { "even", "odd" }.Select(name => Peft.Tokenizer.FromPretrained(Path.Combine(root, "tokenizers", name))).ToArray();
        return number => tokenizers[number % 2].Save(folder);
    }

    public static Action<int> Files(string folder) => number => AtomicFolder.Write(folder, into =>
    {
        File.WriteAllText(Path.Combine(into, "a.txt"), $"{number}");
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(into, "deep")).FullName, "b.txt"), $"{number}");
    });

    /// <summary>A step of a training run, which goes on from its last checkpoint: that refuses one that is not whole.</summary>
    public static Action<int> Run(string folder)
    {
        var peft = Create().ApplyLora(rank: 2);
        var ids = randint(0, 20, [4, 6]);
        var rows = TrainingDataset.From(ids, ids);
        return _ =>
        {
            var last = Trainer.FindLastCheckpoint(folder);
            new Trainer(peft, rows, new()
            {
                BatchSize = 4, MaxSteps = 1 + (last is null ? 0 : int.Parse(last.Split('-')[^1], System.Globalization.CultureInfo.InvariantCulture)), OutputFolder = folder, KeepCheckpoints = 2, ResumeFrom = last,
                TensorBoardFolder = Path.Combine(folder, "board"), JsonLogFile = Path.Combine(folder, "log.jsonl"), LogEverySteps = 1,
            }).Train();
        };
    }

    private static CausalLM Create() => CausalLM.FromConfig(ModelConfig.Parse(Config), seed: 1);
}
