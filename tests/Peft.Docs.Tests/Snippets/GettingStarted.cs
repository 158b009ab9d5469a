using Peft.Models;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Peft.Docs.Tests.Snippets;

// snippet: own-model
public sealed class Classifier : Module<Tensor, Tensor>
{
    private readonly Linear hidden = Linear(16, 32);
    private readonly Sequential head = Sequential(("activation", ReLU()), ("output", Linear(32, 4)));

    public Classifier() : base(nameof(Classifier)) => RegisterComponents();

    // Use call, not forward, for child modules: adapters on TorchSharp's own modules run only in call.
    public override Tensor forward(Tensor input) => head.call(hidden.call(input));
}
// end

public class GettingStarted : InFolder
{
    [Fact]
    public void A_model_of_ones_own()
    {
        using var inputs = randn(32, 16);
        using var labels = randint(0, 4, 32);
        // snippet: own-training
        using var model = new Classifier();
        using var peft = model.ApplyLora(rank: 4, targets: "all-linear");

        var trainer = new Trainer(peft, TrainingDataset.From(inputs, labels), new TrainingOptions { Epochs = 5, LearningRate = 1e-3 })
        {
            Loss = batch => functional.cross_entropy(model.call(batch.InputIds), batch.Labels!),
        };
        trainer.Train();
        // end
        peft.Unreached.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_run_that_is_watched_stopped_and_taken_up_again()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        using var peft = model.ApplyLora();
        // snippet: run
        var text = TextDataset.FromFile("train.txt", tokenizer, blockSize: 32);
        var options = new TrainingOptions
        {
            MaxSteps = 6, BatchSize = 4, GradientAccumulation = 2,
            LearningRate = 1e-3, Schedule = LearningRateSchedule.Cosine(), WarmupRatio = 0.1,
            OutputFolder = "out/run", SaveEverySteps = 2, EvaluateEverySteps = 2, LoadBestAtEnd = true,
        };
        var trainer = new Trainer(peft, text, options) { Evaluation = text };
        var progress = new Progress<TrainingProgress>(at => Console.WriteLine($"{at.Step}/{at.TotalSteps}: {at.Loss:F3}"));

        using var stop = new CancellationTokenSource();          // Cancel() ends the run after its step, with a checkpoint
        TrainingResult result = await trainer.TrainAsync(progress, stop.Token);
        // end
        result.Steps.ShouldBe(6);
        // snippet: resume
        var resumed = new Trainer(peft, text, options with { ResumeFrom = Trainer.FindLastCheckpoint("out/run") }) { Evaluation = text };
        // end
        resumed.Train().Steps.ShouldBe(6);
    }

    [Fact]
    public void Rows_of_instructions()
    {
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        File.WriteAllText("rows.jsonl", """{"prompt": "Once upon a time", "completion": " there was a cat."}""" + "\n");
        // snippet: instructions
        var data = InstructionDataset.FromFile("rows.jsonl", tokenizer, new InstructionOptions { MaxLength = 256, Layout = BatchLayout.Packed });
        // end
        data.Count.ShouldBe(1);
    }

    [Fact]
    public void Merging_and_taking_off()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyLora();
        // snippet: merge
        peft.Merge(safe: true);      // into the weights, unless a merged value would not be finite; the base weights are kept
        peft.Unmerge();              // restores the base weights bit for bit
        peft.MergeAndUnload();       // permanently: base weights are not kept, and the adapters are removed
        // end
        PeftModel.Of(model).ShouldBeNull();
    }

    [Fact]
    public void Reports()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyLora();
        // snippet: report
        foreach (var row in peft.Status().Take(2))
            Console.WriteLine($"{row.Path}: {row.Adapter} ({row.Method}), {row.Parameters} parameters, active: {row.IsActive}");
        // end
        peft.Status().Count.ShouldBe(10);   // q_proj and v_proj of five layers
    }

    [Fact]
    public void Asking_for_the_native_library()
    {
        // snippet: native
        TorchRuntime.Require();   // throws NativeLibraryException with the cause and the remedy
        // end
    }
}
