using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Supervised fine-tuning, as TRL's SFTTrainer computes it.</summary>
public sealed class SftTests : ObjectiveTests<SftTests>, IObjectiveCases
{
    private const string Accumulated = "sft-accumulated-llama";

    public static TheoryData<string> All => AlignmentCase.Of("sft");

    public static IEnumerable<string> Ids => AlignmentCase.IdsOf("sft").Where(id => id != Accumulated);

    [Theory, MemberData(nameof(All))]
    public void Trained_tokens(string id)
    {
        using var @case = new AlignmentCase(id);
        using var metrics = new TrainingMetrics();
        var batches = id == Accumulated ? Halves(@case) : [BatchOf(@case)];
        ObjectiveOf(@case).Prepare(batches, 0, metrics);
        metrics.Means()["num_tokens"].ShouldBe(@case.Json.GetProperty("metrics").GetProperty("num_tokens").GetDouble());
        batches.Sum(batch => batch.Weight).ShouldBe(@case.Number("num_items_in_batch"));
    }

    [Theory, MemberData(nameof(Cases))]
    public void The_fused_loss_is_the_same(string id)
    {
        using var @case = new AlignmentCase(id);
        using var metrics = new TrainingMetrics();
        var objective = ObjectiveOf(@case, metrics: false);
        @case.Peft.Module.train();
        @case.Expected.ShouldEqual("loss", objective.Loss(BatchOf(@case), metrics).reshape(1));
        metrics.Means().ShouldBeEmpty();
    }

    [Fact]
    public void Entropies()
    {
        foreach (var id in Ids)
        {
            using var @case = new AlignmentCase(id);
            if (!@case.Expected.Has("per_token_entropy") || @case.Optional("neftune_noise_alpha") is not null) continue;
            using var batch = BatchOf(@case);
            var predictions = ((Models.CausalLM)@case.Model).Predict(Models.ModelInput.From(batch), batch.Labels!, Models.TokenStatistics.Entropy);
            // TRL's are those of all positions; ours those of labels.
            var expected = @case.Expected.Read("per_token_entropy").mul(predictions.Mask);
            expected.sub(predictions.Entropy!).abs().max().item<float>().ShouldBeLessThan(2e-4f, id);
        }
    }

    [Fact]
    public void Accumulated_batches_are_weighted_by_their_labels()
    {
        using var @case = new AlignmentCase(Accumulated);
        var objective = ObjectiveOf(@case);
        @case.Peft.Module.train();
        var halves = Halves(@case);
        var (all, total) = (halves.Sum(half => half.Weight), zeros(1));
        foreach (var (half, i) in halves.Select((half, i) => (half, i)))
        {
            using var metrics = new TrainingMetrics();
            var part = objective.Loss(half, metrics).mul(half.Weight / all);
            part.backward();
            total = total.add(part.detach(), 1);
            if (i == 0) continue;
            // The case has the metrics of the last batch.
            foreach (var name in new[] { "entropy", "mean_token_accuracy" })
                metrics.Means()[name].ShouldBe(@case.Json.GetProperty("metrics").GetProperty(name).GetDouble(), 1e-3);
        }
        @case.Expected.ShouldEqual("loss", total);
        @case.Expected.ShouldEqual("grad.", @case.Gradient);
    }

    [Fact]
    public void Accumulated_training_steps()
    {
        using var @case = new AlignmentCase(Accumulated);
        var settings = @case.Json.GetProperty("training");
        var objective = ObjectiveOf(@case);
        var trainer = new Trainer(@case.Peft, TrainingDataset.From(2, rows => Halves(@case)[rows.Single()]), new TrainingOptions
        {
            MaxSteps = settings.GetProperty("steps").GetInt32(), BatchSize = 1, GradientAccumulation = 2, Shuffle = false, LearningRate = settings.GetProperty("lr").GetDouble(),
            Schedule = LearningRateSchedule.Constant, MaxGradientNorm = null, Optimizer = new AdamWOptions { WeightDecay = 0 }, MissingGradients = MissingGradientPolicy.Ignore,
        })
        {
            Objective = objective,
        };
        var losses = trainer.Train().Losses.Select(loss => (float)loss).ToList();
        using (no_grad())
        using (var metrics = new TrainingMetrics())
        {
            @case.Peft.Module.train();
            var halves = Halves(@case);
            losses.Add(halves.Sum(half => objective.Loss(half, metrics).item<float>() * (float)(half.Weight / halves.Sum(each => each.Weight))));
        }
        @case.Expected.ShouldEqual("loss_trajectory", tensor(losses.ToArray()));
        @case.Expected.ShouldEqual("trained.", @case.Find);
    }

    protected override SftObjective ObjectiveOf(AlignmentCase @case) => ObjectiveOf(@case, metrics: true);

    private static SftObjective ObjectiveOf(AlignmentCase @case, bool metrics)
    {
        var options = new SftOptions
        {
            Loss = Enum.Parse<SftLoss>(@case.Config.GetProperty("loss_type").GetString()!, ignoreCase: true),
            LabelSmoothing = @case.Number("label_smoothing_factor"),
            NeftuneAlpha = @case.Optional("neftune_noise_alpha"),
            TokenMetrics = metrics,
        };
        if (@case.Input("neftune_noise") is not { } noise) return new(@case.Peft, options);
        var step = 0;
        return new(@case.Peft, options, (shape, bound, _) =>
        {
            var drawn = noise[step++];
            drawn.shape.ShouldBe(shape);
            drawn.abs().max().item<float>().ShouldBeInRange((float)(bound * 0.99), (float)bound);
            return drawn;
        });
    }

    protected override Batch BatchOf(AlignmentCase @case)
    {
        var (ids, labels) = (@case.Expected.Read("input_ids"), @case.Expected.Read("labels"));
        return new()
        {
            InputIds = ids,
            Labels = labels,
            AttentionMask = @case.Input("attention_mask"),
            PackedLengths = @case.Input("position_ids") is { } positions ? Lengths(positions[0].data<long>().ToArray()) : null,
            Weight = LabelsOf(labels),
        };
    }

    private Batch[] Halves(AlignmentCase @case)
    {
        using var whole = BatchOf(@case);
        var rows = whole.InputIds.shape[0] / 2;
        return [.. new[] { 0, rows }.Select(start => new Batch
        {
            InputIds = whole.InputIds.narrow(0, start, rows).clone(), Labels = whole.Labels!.narrow(0, start, rows).clone(),
            AttentionMask = whole.AttentionMask!.narrow(0, start, rows).clone(), Weight = LabelsOf(whole.Labels.narrow(0, start, rows)),
        })];
    }

    // The first token of a row is not predicted.
    private static double LabelsOf(Tensor labels) => labels.narrow(1, 1, labels.shape[1] - 1).ne(Batch.IgnoredLabel).sum().item<long>();

    private static int[] Lengths(long[] positions)
    {
        int[] starts = [.. Enumerable.Range(0, positions.Length).Where(i => positions[i] == 0), positions.Length];
        return [.. starts.Zip(starts.Skip(1), (start, end) => end - start)];
    }
}
