using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Training;

public class TrainerErrorTests
{
    [Fact]
    public void All_wrong_options_are_named_with_their_values()
    {
        var message = Message(new Trainer(new ModuleTrainable(nn.Linear(4, 1)), TrainingDataset.From(0, _ => null!, "nothing"), new()
        {
            Epochs = 0, BatchSize = -2, GradientAccumulation = 0, LearningRate = double.NaN, WarmupRatio = 2, MaxGradientNorm = 0, MaxMemory = -5, EarlyStoppingPatience = 2,
            SaveEverySteps = 5, Schedule = LearningRateSchedule.CosineWithRestarts(0), Optimizer = new AdamWOptions() { WeightDecay = -1 }, BestMetric = "f1",
        }));
        foreach (var part in new[]
        {
            "Epochs must be at least 1, but was 0", "BatchSize must be at least 1, but was -2", "GradientAccumulation must be at least 1, but was 0",
            "LearningRate must be above 0, but was NaN", "WarmupRatio must be in [0, 1], but was 2", "MaxGradientNorm must be above 0", "MaxMemory must be above 0 bytes (null for no bound), but was -5",
            "EarlyStoppingPatience is 2, but the trainer's Evaluation", "SaveEverySteps is 5, but OutputFolder is not set", "must be at least 1, but were 0",
            "WeightDecay must be at least 0, but was -1", "The dataset nothing has no rows", "is not an ILossModel", "BestMetric is 'f1'",
        }) message.ShouldContain(part);
    }

    [Fact]
    public void A_bound_on_memory_that_the_process_passes_already_is_refused()
        => Message(new Trainer(Runs.Line(), Runs.Rows(8), new() { MaxMemory = 1 << 20 })).ShouldMatch("MaxMemory is 1 MiB, but the process uses [0-9.,]+ [MG]iB before training starts: raise it");

    [Fact]
    public void A_tensor_without_gradient_is_named()
    {
        var model = new ModuleTrainable(new HalfUsed());
        Message(new Trainer(model, Runs.Rows(8))).ShouldContain("1 of 3 trainable tensors received no gradient in the first step, so they would never be trained: unused");
        var warnings = new ListLogger();
        new Trainer(model, Runs.Rows(8), new() { Epochs = 1, MissingGradients = MissingGradientPolicy.Warn }) { Logger = warnings }.Train();
        warnings.Lines.ShouldContain(line => line.StartsWith("Warning") && line.Contains("unused"));
        new Trainer(model, Runs.Rows(8), new() { Epochs = 1, MissingGradients = MissingGradientPolicy.Ignore }).Train().Steps.ShouldBe(1);
    }

    [Fact]
    public void Modules_that_forward_does_not_reach_are_named_with_the_remedy()
        => Message(new Trainer(new Changed(Runs.Line()) { Unreached = ["layers.0.q_proj"] }, Runs.Rows(8)))
            .ShouldContain("layers.0.q_proj. Their parent calls module.forward(x), which skips hooks: call module.call(x)");

    [Fact]
    public void A_batch_without_labels_is_named_by_its_rows()
    {
        var data = TrainingDataset.From(8, rows => new() { InputIds = ones(rows.Count, 4), Weight = rows.Contains(5) ? 0 : 1, Labels = ones(rows.Count, 1) }, "answers");
        var trainer = new Trainer(Runs.Line(), data, new() { BatchSize = 2, Shuffle = false });
        Should.Throw<DatasetException>(() => trainer.Train()).Message.ShouldContain("rows 4 to 5 of answers");
    }

    [Fact]
    public void A_loss_that_is_not_finite_ends_the_run_with_step_rows_and_tensor()
    {
        var model = Runs.Line();
        var before = model.Numbers();
        var trainer = new Trainer(model, Poisoned(row: 5), new() { BatchSize = 2, Shuffle = false, LearningRate = 0.1 });
        var message = Message(trainer);
        message.ShouldContain("Step 3: the loss is NaN");
        message.ShouldContain("First tensor with a non-finite gradient or value: layer.weight");
        message.ShouldContain("rows 4 to 5 of poisoned");
        model.Numbers().ShouldAllBe(number => float.IsFinite(number));
        model.Numbers().ShouldNotBe(before);
    }

    [Fact]
    public void Skipped_steps_leave_the_parameters_alone_and_are_counted_up_to_a_limit()
    {
        var options = new TrainingOptions { Epochs = 2, BatchSize = 2, Shuffle = false, NonFinite = NonFinitePolicy.SkipStep, LearningRate = 0.1 };
        var model = Runs.Line();
        var result = new Trainer(model, Poisoned(row: 5), options).Train();
        result.SkippedSteps.ShouldBe(2);
        result.Steps.ShouldBe(8);
        result.Losses[2].ShouldBe(double.NaN);
        model.Numbers().ShouldAllBe(number => float.IsFinite(number));
        Message(new Trainer(Runs.Line(), Poisoned(row: 5), options with { MaxSkippedSteps = 1 })).ShouldContain("2 steps had a non-finite loss or gradient");
    }

    [Fact]
    public void A_loss_that_is_no_number_or_needs_no_gradient_is_explained()
    {
        Message(new Trainer(Runs.Line(), Runs.Rows(8)) { Loss = batch => ones(3) }).ShouldContain("shape [3], but must be a scalar");
        Message(new Trainer(Runs.Line(), Runs.Rows(8)) { Loss = batch => ones(1) }).ShouldContain("does not depend on any trainable tensor");
    }

    [Fact]
    public void After_an_error_the_parameters_own_their_memory_again()
    {
        var model = Runs.Line();
        Message(new Trainer(model, Poisoned(row: 0), new() { Shuffle = false }));
        model.Trainables[0].Value.grad.ShouldBeNull();
        new Trainer(model, Runs.Rows(8), new() { Epochs = 1 }).Train().Steps.ShouldBe(1);
    }

    private static TrainingDataset Poisoned(int row) => TrainingDataset.From(8, rows =>
    {
        var inputs = ones(rows.Count, 4);
        if (rows.Contains(row)) inputs[0, 0] = float.NaN;
        return new() { InputIds = inputs, Labels = ones(rows.Count, 1) };
    }, "poisoned");

    private static string Message(Trainer trainer) => Should.Throw<TrainingException>(() => trainer.Train()).Message;

    private sealed class HalfUsed : nn.Module<Tensor, Tensor>, ILossModel
    {
        private readonly TorchSharp.Modules.Linear used = nn.Linear(4, 1);
        private readonly Parameter unused = new(ones(2));

        public HalfUsed() : base("half") => RegisterComponents();

        public override Tensor forward(Tensor input) => used.call(input);

        public Tensor Loss(Batch batch) => call(batch.InputIds).square().mean();
    }
}
