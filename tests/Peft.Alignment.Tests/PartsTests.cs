using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests;

public sealed class PartsTests
{
    private static readonly Dictionary<string, Func<PeftModel, Objective>> Objectives = new()
    {
        ["CPO with cross-entropy"] = peft => new CpoObjective(peft),
        ["SimPO"] = peft => new CpoObjective(peft, CpoOptions.SimPo),
        ["ORPO"] = peft => new OrpoObjective(peft),
        ["TPO"] = peft => new TpoObjective(peft, new() { Beta = 1 }),
        ["DPO with cross-entropy"] = peft => new DpoObjective(peft, new() { Losses = [DpoLoss.Sigmoid, DpoLoss.Sft], LossWeights = [1, 0.5] }),
        ["KTO"] = peft => new KtoObjective(peft, new() { UndesirableWeight = 0.75 }),
        ["unpaired APO"] = peft => new KtoObjective(peft, new() { Loss = KtoLoss.ApoZeroUnpaired }),
    };

    public static TheoryData<string> Names => [.. Objectives.Keys];

    [Theory, MemberData(nameof(Names))]
    public void Parts_of_a_batch_give_its_loss_gradients_and_metrics(string name)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var peft = Texts.Policy(model);
        model.eval();
        var objective = Objectives[name](peft);
        var batch = name switch { "KTO" or "unpaired APO" => Texts.Labelled(5), "TPO" => Texts.Batch(5, texts: 3), _ => Texts.Batch(5) };
        using (no_grad()) batch = objective.Prepare([batch], 0, new())[0];
        var parts = objective.Divide(batch, 2);
        parts.Count.ShouldBe(2);
        parts.Sum(part => part.Weight).ShouldBe(5, 1e-9);
        using var metrics = new TrainingMetrics();
        var whole = objective.Loss(batch, metrics);
        Compare(parts);
        Compare([.. parts.SelectMany(part => objective.Divide(part, 2))]);   // micro-batches whose parts run at the same time

        void Compare(IReadOnlyList<Batch> parts)
        {
            using var partMetrics = new TrainingMetrics();
            var sum = parts.Select(part => objective.Loss(part, partMetrics) * (part.Weight / 5)).Aggregate((a, b) => a + b);
            sum.item<float>().ShouldBe(whole.item<float>(), 1e-5 * Math.Max(1, Math.Abs(whole.item<float>())));
            var tensors = peft.Trainables.Select(each => (Tensor)each.Value).ToList();
            foreach (var (a, b) in autograd.grad([whole], tensors, retain_graph: true).Zip(autograd.grad([sum], tensors)))
                (a - b).abs().max().item<float>().ShouldBeLessThan(1e-5f + 1e-3f * a.abs().max().item<float>());
            var (expected, actual) = (metrics.Means(), partMetrics.Means());
            actual.Keys.ShouldBe(expected.Keys, ignoreOrder: true);
            foreach (var (each, value) in expected) actual[each].ShouldBe(value, 1e-4 + 1e-4 * Math.Abs(value), each);
        }
    }

    [Theory, MemberData(nameof(Names))]
    public void Training_in_parts_lowers_the_loss(string name)
    {
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        var data = TrainingDataset.From(6, rows => name switch { "KTO" or "unpaired APO" => Texts.Labelled(rows), "TPO" => Texts.Rows(rows, 3), _ => Texts.Rows(rows) });
        var losses = new Trainer(peft, data, new TrainingOptions { MaxSteps = 10, BatchSize = 6, LearningRate = 1e-2, Shuffle = false, ParallelParts = 2 }) { Objective = Objectives[name](peft) }.Train().Losses;
        losses[^1].ShouldBeLessThan(losses[0] - 0.01);
    }

    [Fact]
    public void Parts_have_about_the_same_number_of_tokens()
    {
        using var scope = NewDisposeScope();
        // Pairs of 6, 5, 3 and 2 tokens in their longer text, and one less in the other.
        var lengths = tensor(new long[] { 6, 5, 3, 2, 5, 4, 2, 1 }).unsqueeze(1);
        var batch = new Batch { InputIds = arange(0, 8, 1).unsqueeze(1).expand(8, 6).contiguous(), AttentionMask = arange(0, 6, 1).unsqueeze(0).lt(lengths).to_type(ScalarType.Int64), Extra = new Dictionary<string, Tensor> { ["margin"] = arange(0, 4, 1) }, Weight = 4 };
        var parts = PairedBatch.DivideRows(batch, 2);
        parts.Select(part => part.InputIds.select(1, 0).data<long>().ToArray()).ShouldBe([[0, 3, 4, 7], [1, 2, 5, 6]]);
        parts.Select(part => part.Extra["margin"].data<long>().ToArray()).ShouldBe([[0, 3], [1, 2]]);
        parts.ShouldAllBe(part => part.AttentionMask!.select(1, 0).sum().item<long>() == 4 && part.Weight == 2);
        PairedBatch.DivideRows(new Batch { InputIds = batch.InputIds, Extra = batch.Extra }, 2).Select(part => part.InputIds.shape[0]).ShouldBe([4L, 4L]);
    }
}
