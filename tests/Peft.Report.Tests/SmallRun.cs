using Peft.Models;

namespace Peft.Report.Tests;

/// <summary>Small runs of the bundled model.</summary>
internal sealed class SmallRun : IDisposable
{
    public const string Prompt = "Once upon a time";

    public static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "models", "stories260K");
    private readonly CausalLM model = CausalLM.FromPretrained(Folder);
    private readonly Tokenizer tokenizer = Tokenizer.FromPretrained(Folder);

    public SmallRun(AdapterOptions? options = null) => Peft = model.ApplyAdapter(options ?? new LoraOptions { Rank = 4, TargetModules = ["q_proj", "v_proj"] });

    public PeftModel Peft { get; }

    public TextDataset Data => TextDataset.FromFile(Path.Combine(AppContext.BaseDirectory, "train.txt"), tokenizer, 64);

    public string Complete(string prompt) => model.Generate(prompt, tokenizer, new GenerationOptions { MaxNewTokens = 8, DoSample = false });

    public Trainer Trainer(ITrainerCallback callback, int steps = 12, TrainingOptions? options = null)
        => new(Peft, Data, (options ?? new()) with { MaxSteps = steps, BatchSize = 2, LearningRate = 1e-2 }) { Evaluation = Data, Callbacks = [callback] };

    public void Dispose()
    {
        Peft.Dispose();
        model.Dispose();
    }
}
