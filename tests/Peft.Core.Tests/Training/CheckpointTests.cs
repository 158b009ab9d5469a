using System.Text.Json.Nodes;

namespace Peft.Core.Tests.Training;

public sealed class CheckpointTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(12)]
    public void A_resumed_run_equals_an_uninterrupted_one_bit_for_bit(int stopAfter)
    {
        var options = new TrainingOptions
        {
            Epochs = 4, BatchSize = 3, GradientAccumulation = 2, LearningRate = 0.02, WarmupSteps = 3, EvaluateEverySteps = 2, GroupByLength = true,
            OutputFolder = folder["whole"],
        };
        var whole = Runs.Network();
        var expected = new Trainer(whole, Runs.Rows(24), options) { Evaluation = Runs.Rows(6) }.Train();

        options = options with { OutputFolder = folder["parts"] };
        new Trainer(Runs.Network(), Runs.Rows(24), options)
        {
            Evaluation = Runs.Rows(6),
            Callbacks = [new Steps((step, control) => { if (step.Step == stopAfter) control.Stop(); })],
        }.Train();
        var resumed = Runs.Network();
        var result = new Trainer(resumed, Runs.Rows(24), options with { ResumeFrom = Trainer.FindLastCheckpoint(folder["parts"]) }) { Evaluation = Runs.Rows(6) }.Train();
        result.Losses.ShouldBe(expected.Losses);
        result.Evaluations.Select(evaluation => (evaluation.Step, evaluation.Loss)).ShouldBe(expected.Evaluations.Select(evaluation => (evaluation.Step, evaluation.Loss)));
        resumed.Numbers().ShouldBe(whole.Numbers());
    }

    [Fact]
    public void Old_checkpoints_are_deleted_but_never_the_best()
    {
        var evaluations = 0;
        var result = new Trainer(Runs.Line(), Runs.Rows(8), new()
        {
            MaxSteps = 8, OutputFolder = folder.Path, SaveEverySteps = 1, EvaluateEverySteps = 1, KeepCheckpoints = 2, BestMetric = "score", GreaterIsBetter = false, LoadBestAtEnd = true,
        })
        {
            Evaluation = Runs.Rows(4),
            EvaluationMetrics = _ => new Dictionary<string, double> { ["score"] = ++evaluations == 3 ? 0 : 1 },
        }.Train();
        Names().ShouldBe(["checkpoint-3", "checkpoint-7", "checkpoint-8"]);
        result.BestCheckpoint.ShouldBe(folder["checkpoint-3"]);
        result.LastCheckpoint.ShouldBe(folder["checkpoint-8"]);
        Trainer.FindLastCheckpoint(folder).ShouldBe(folder["checkpoint-8"]);
    }

    [Fact]
    public void The_best_parameters_come_back_from_disk()
    {
        var model = Runs.Line();
        var (evaluations, atBest) = (0, Array.Empty<float>());
        new Trainer(model, Runs.Rows(8), new() { MaxSteps = 4, LearningRate = 0.1, OutputFolder = folder.Path, EvaluateEverySteps = 1, BestMetric = "score", GreaterIsBetter = false, LoadBestAtEnd = true })
        {
            Evaluation = Runs.Rows(4),
            EvaluationMetrics = _ =>
            {
                if (++evaluations == 2) atBest = model.Numbers();
                return new Dictionary<string, double> { ["score"] = Math.Abs(evaluations - 2) };
            },
        }.Train();
        model.Numbers().ShouldBe(atBest);
    }

    [Fact]
    public void A_new_run_refuses_a_folder_with_checkpoints()
    {
        var options = new TrainingOptions { MaxSteps = 1, OutputFolder = folder.Path };
        new Trainer(Runs.Line(), Runs.Rows(8), options).Train();
        Should.Throw<TrainingException>(() => new Trainer(Runs.Line(), Runs.Rows(8), options).Train()).Message.ShouldContain("contains checkpoints of another run");
    }

    [Fact]
    public void A_save_that_fails_leaves_the_checkpoints_before_it()
    {
        var saves = 0;
        var model = new Changed(Runs.Line()) { Saving = _ => { if (++saves == 3) throw new IOException("No space left on device"); } };
        var error = Should.Throw<Peft.Checkpoints.CheckpointException>(() => new Trainer(model, Runs.Rows(8), new() { MaxSteps = 5, OutputFolder = folder.Path, SaveEverySteps = 1 }).Train());
        error.Message.ShouldStartWith($"{folder["checkpoint-3"]}: could not be written or replaced (No space left on device)");
        Names().ShouldBe(["checkpoint-1", "checkpoint-2"]);
        Trainer.FindLastCheckpoint(folder).ShouldBe(folder["checkpoint-2"]);
        new Trainer(Runs.Line(), Runs.Rows(8), new() { MaxSteps = 5, OutputFolder = folder.Path, SaveEverySteps = 1, ResumeFrom = folder["checkpoint-2"] }).Train().Steps.ShouldBe(5);
        Names().ShouldBe(["checkpoint-4", "checkpoint-5"]);
    }

    [Fact]
    public void A_run_whose_checkpoints_or_log_cannot_be_written_ends_before_its_first_step()
    {
        var file = folder["file"];
        File.WriteAllText(file, "");
        var steps = 0;
        Trainer With(TrainingOptions options) => new(Runs.Line(), Runs.Rows(8), options) { Callbacks = [new Steps((_, _) => steps++)] };
        Should.Throw<Peft.Checkpoints.CheckpointException>(() => With(new() { OutputFolder = Path.Combine(file, "out") }).Train()).Message.ShouldContain(Path.Combine(file, "out"));
        Should.Throw<TrainingException>(() => With(new() { JsonLogFile = Path.Combine(file, "log.jsonl") }).Train()).Message.ShouldContain("log.jsonl cannot be written");
        Should.Throw<TrainingException>(() => With(new() { TensorBoardFolder = Path.Combine(file, "board") }).Train()).Message.ShouldContain("board cannot be written");
        steps.ShouldBe(0);
    }

    [Fact]
    public void What_a_killed_run_left_is_no_checkpoint_and_goes_with_the_next_run()
    {
        new Trainer(Runs.Line(), Runs.Rows(8), new() { MaxSteps = 1, OutputFolder = folder.Path }).Train();
        Directory.CreateDirectory(folder[".peft-dead.writing"]);
        File.WriteAllText(folder[".peft-dead.writing/trainer_state.json"], "{");
        Trainer.FindLastCheckpoint(folder).ShouldBe(folder["checkpoint-1"]);
        new Trainer(Runs.Line(), Runs.Rows(8), new() { MaxSteps = 2, OutputFolder = folder.Path, ResumeFrom = folder["checkpoint-1"] }).Train();
        Names().ShouldBe(["checkpoint-1", "checkpoint-2"]);
    }

    public static TheoryData<string, string> Damages
    {
        get
        {
            var all = new TheoryData<string, string>();
            foreach (var file in new[] { "adapter_config.json", "adapter_model.safetensors", "training_state.safetensors", "trainer_state.json", "SHA256SUMS" })
                foreach (var damage in new[] { "cut by a byte", "cut by half", "empty", "deleted", "changed", "a folder", "longer" }) all.Add(file, damage);
            return all;
        }
    }

    [Theory, MemberData(nameof(Damages))]
    public void A_checkpoint_with_a_file_that_is_not_what_was_saved_is_refused_and_another_named(string file, string damage)
    {
        using var model = new Line();
        using var peft = model.ApplyFull();
        var options = new TrainingOptions { MaxSteps = 3, OutputFolder = folder.Path, SaveEverySteps = 1, KeepCheckpoints = null };
        new Trainer(peft, Runs.Rows(8), options).Train();
        var path = Path.Combine(folder["checkpoint-3"], file);
        var content = File.ReadAllBytes(path);
        switch (damage)
        {
            case "cut by a byte": File.WriteAllBytes(path, content[..^1]); break;
            case "cut by half": File.WriteAllBytes(path, content[..(content.Length / 2)]); break;
            case "empty": File.WriteAllBytes(path, []); break;
            case "deleted": File.Delete(path); break;
            case "longer": File.WriteAllBytes(path, [.. content, (byte)'\n', (byte)'x']); break;
            case "changed":
                content[content.Length / 2] ^= 1;
                File.WriteAllBytes(path, content);
                break;
            default:
                File.Delete(path);
                Directory.CreateDirectory(path);
                break;
        }
        var before = peft.Numbers();
        var message = Message(new(peft, Runs.Rows(8), options with { MaxSteps = 4, ResumeFrom = folder["checkpoint-3"] }));
        message.ShouldContain(folder["checkpoint-3"]);
        message.ShouldContain(file);
        if (file != "SHA256SUMS") message.ShouldContain($"Resume from another checkpoint, such as {folder["checkpoint-2"]} or {folder["checkpoint-1"]}.");
        peft.Numbers().ShouldBe(before);
        new Trainer(peft, Runs.Rows(8), options with { MaxSteps = 4, ResumeFrom = folder["checkpoint-2"] }).Train().Steps.ShouldBe(4);
    }

    [Fact]
    public void A_list_of_checksums_that_lost_lines_or_leads_elsewhere_is_refused()
    {
        new Trainer(Runs.Line(), Runs.Rows(8), new() { MaxSteps = 1, OutputFolder = folder.Path }).Train();
        var sums = Path.Combine(folder["checkpoint-1"], "SHA256SUMS");
        var lines = File.ReadAllLines(sums);
        lines.Length.ShouldBe(3);
        foreach (var changed in new[] { lines[..2], [], [.. lines, lines[0][..66] + "../../secret"], [.. lines, lines[0][..66] + "/etc/passwd"], [.. lines, "x"] })
        {
            File.WriteAllLines(sums, changed);
            Message(new(Runs.Line(), Runs.Rows(8), new() { MaxSteps = 2, ResumeFrom = folder["checkpoint-1"] })).ShouldContain("SHA256SUMS is damaged");
        }
    }

    [Fact]
    public void Other_data_or_another_model_is_refused_on_resume()
    {
        new Trainer(Runs.Line(), Runs.Rows(8), new() { MaxSteps = 1, OutputFolder = folder.Path }).Train();
        var options = new TrainingOptions { MaxSteps = 2, ResumeFrom = folder["checkpoint-1"] };
        Message(new(Runs.Line(), Runs.Rows(9), options)).ShouldContain("Rows = 8");
        Message(new(Runs.Network(), Runs.Rows(8), options)).ShouldContain("has no tensor parameter.first.weight");
        Message(new(Runs.Line(), Runs.Rows(8), options with { ResumeFrom = folder["nowhere"] })).ShouldContain("is not a checkpoint:");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(60)]
    [InlineData(-1)]
    public void A_truncated_state_is_refused(int length)
    {
        new Trainer(Runs.Line(), Runs.Rows(8), new() { MaxSteps = 1, OutputFolder = folder.Path }).Train();
        using (var file = File.OpenWrite(Path.Combine(folder["checkpoint-1"], "training_state.safetensors"))) file.SetLength(length < 0 ? file.Length + length : length);
        Message(new(Runs.Line(), Runs.Rows(8), new() { MaxSteps = 2, ResumeFrom = folder["checkpoint-1"] })).ShouldContain("training_state.safetensors");
    }

    [Fact]
    public async Task Cancelling_ends_after_the_step_with_a_checkpoint_and_the_result_so_far()
    {
        using var source = new CancellationTokenSource();
        var trainer = new Trainer(Runs.Network(), Runs.Rows(64), new() { OutputFolder = folder.Path });
        var task = trainer.TrainAsync(new Listener<TrainingProgress>(step => { if (step.Step == 5) source.Cancel(); }), source.Token);
        var e = await Assert.ThrowsAsync<TrainingCanceledException>(() => task);   // awaits; Shouldly's counterpart continues, which loses the exception
        task.IsCanceled.ShouldBeTrue();
        e.Result.StopReason.ShouldBe(StopReason.Cancelled);
        e.Result.Steps.ShouldBe(5);
        e.Result.LastCheckpoint.ShouldBe(folder["checkpoint-5"]);
        e.CancellationToken.ShouldBe(source.Token);
    }

    [Fact]
    public void Cancelling_within_an_evaluation_does_that_evaluation_after_the_resume()
    {
        using var source = new CancellationTokenSource();
        var options = new TrainingOptions { MaxSteps = 6, EvaluateEverySteps = 3, OutputFolder = folder.Path };
        Should.Throw<TrainingCanceledException>(() => new Trainer(Runs.Line(), Runs.Rows(8), options)
        {
            Evaluation = Runs.Rows(4),
            EvaluationMetrics = token => { source.Cancel(); token.ThrowIfCancellationRequested(); return new Dictionary<string, double>(); },
        }.Train(cancellationToken: source.Token)).Result.Evaluations.ShouldBeEmpty();
        var result = new Trainer(Runs.Line(), Runs.Rows(8), options with { ResumeFrom = folder["checkpoint-3"] }) { Evaluation = Runs.Rows(4) }.Train();
        result.Evaluations.Select(evaluation => evaluation.Step).ShouldBe([3, 6]);
    }

    [Fact]
    public void A_token_cancelled_before_the_start_trains_nothing()
        => Should.Throw<OperationCanceledException>(() => new Trainer(Runs.Line(), Runs.Rows(8)).Train(cancellationToken: new(canceled: true)));

    [Fact]
    public void A_resumed_log_holds_each_step_once()
    {
        var log = folder["log.jsonl"];
        var options = new TrainingOptions { MaxSteps = 6, OutputFolder = folder.Path, SaveEverySteps = 2, LogEverySteps = 1, JsonLogFile = log };
        Should.Throw<InvalidOperationException>(() => new Trainer(Runs.Line(), Runs.Rows(8), options)
        {
            Callbacks = [new Steps((step, _) => { if (step.Step == 5) throw new InvalidOperationException("power cut"); })],
        }.Train());
        File.AppendAllText(log, "{\"step\": 5, \"trai");
        new Trainer(Runs.Line(), Runs.Rows(8), options with { ResumeFrom = folder["checkpoint-4"] }).Train();
        File.ReadLines(log).Select(line => (int)JsonNode.Parse(line)!["step"]!).ShouldBe([1, 2, 3, 4, 5, 6]);
    }

    public void Dispose() => folder.Dispose();

    private static string Message(Trainer trainer) => Should.Throw<TrainingException>(() => trainer.Train()).Message;

    private IEnumerable<string> Names() => Directory.GetDirectories(folder).Select(path => Path.GetFileName(path)).Order();
}
