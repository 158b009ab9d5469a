using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests;

public sealed class SftObjectiveTests
{
    [Theory]
    [InlineData(SftLoss.Nll, 0)]
    [InlineData(SftLoss.Nll, 0.2)]
    [InlineData(SftLoss.Dft, 0)]
    public void Parts_of_a_batch_give_its_loss(SftLoss loss, double smoothing)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        using var metrics = new TrainingMetrics();
        var objective = new SftObjective(peft, new() { Loss = loss, LabelSmoothing = smoothing });
        using var batch = Texts(6, 16);
        var parts = objective.Divide(batch, 2);
        parts.Count.ShouldBe(2);
        parts.Sum(part => part.Weight).ShouldBe(batch.Weight, 1e-9);
        var whole = objective.Loss(batch, metrics).item<float>();
        parts.Sum(part => objective.Loss(part, metrics).item<float>() * part.Weight / batch.Weight).ShouldBe(whole, 1e-5);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.2)]
    public void Packed_texts_have_the_loss_of_padded_ones(double smoothing)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        using var metrics = new TrainingMetrics();
        var objective = new SftObjective(peft, new() { LabelSmoothing = smoothing });
        manual_seed(5);
        int[] lengths = [5, 9, 3];
        long[][] texts = [.. lengths.Select(length => randint(3, TinyModel.Vocabulary, length).data<long>().ToArray())];
        using var padded = new Batch
        {
            InputIds = stack([.. texts.Select(text => tensor([.. text, .. new long[9 - text.Length]]))]),
            AttentionMask = stack([.. texts.Select(text => tensor([.. text.Select(_ => 1L), .. new long[9 - text.Length]]))]),
            Labels = stack([.. texts.Select(text => tensor([.. text, .. Enumerable.Repeat(Batch.IgnoredLabel, 9 - text.Length)]))]),
        };
        using var packed = new Batch
        {
            InputIds = tensor(texts.SelectMany(text => text).ToArray()).unsqueeze(0),
            Labels = tensor(texts.SelectMany(text => text.Skip(1).Prepend(Batch.IgnoredLabel)).ToArray()).unsqueeze(0),
            PackedLengths = lengths,
        };
        objective.Loss(packed, metrics).item<float>().ShouldBe(objective.Loss(padded, metrics).item<float>(), 1e-5f);
        // The label of a packed text's first token is ignored even if it is there.
        using var labelled = new Batch { InputIds = packed.InputIds.clone(), Labels = packed.InputIds.clone(), PackedLengths = packed.PackedLengths };
        objective.Loss(labelled, metrics).item<float>().ShouldBe(objective.Loss(padded, metrics).item<float>(), 1e-5f);
    }

    [Fact]
    public void Noise_is_within_its_bound_and_only_in_training()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        using var metrics = new TrainingMetrics();
        using var batch = Texts(4, 16);
        var drawn = new List<(long[] Shape, double Bound)>();
        var noisy = new SftObjective(peft, new() { NeftuneAlpha = 5 }, (shape, bound, device) =>
        {
            drawn.Add((shape, bound));
            return zeros(shape, device: device);
        });
        var plain = new SftObjective(peft);
        model.train();
        noisy.Divide(batch, 2).ShouldBe([batch]);
        noisy.Loss(batch, metrics).item<float>().ShouldBe(plain.Loss(batch, metrics).item<float>(), 1e-6f);   // without noise, embeddings are those of the ids
        drawn.Single().Shape.ShouldBe([4L, 16, 32]);
        drawn.Single().Bound.ShouldBe(5 / Math.Sqrt(16 * 32), 1e-12);
        model.eval();
        noisy.Loss(batch, metrics).item<float>();
        drawn.Count.ShouldBe(1);
        noisy.Divide(batch, 2).Count.ShouldBe(2);

        model.train();
        var real = new SftObjective(peft, new() { NeftuneAlpha = 5 });
        manual_seed(1);
        var first = real.Loss(batch, metrics).item<float>();
        var second = real.Loss(batch, metrics).item<float>();
        manual_seed(1);
        real.Loss(batch, metrics).item<float>().ShouldBe(first);
        second.ShouldNotBe(first);
    }

    [Fact]
    public void A_batch_without_labels_has_no_loss()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        using var metrics = new TrainingMetrics();
        using var batch = Texts(2, 8);
        using var ignored = new Batch { InputIds = batch.InputIds.clone(), Labels = full_like(batch.InputIds, Batch.IgnoredLabel) };
        foreach (var options in new SftOptions[] { new(), new() { LabelSmoothing = 0.1 }, new() { Loss = SftLoss.Dft }, new() { TokenMetrics = false } })
            new SftObjective(peft, options).Loss(ignored, metrics).item<float>().ShouldBe(0);
        metrics.Means().ShouldBeEmpty();
    }

    [Fact]
    public void Bad_arguments_are_refused()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        using var metrics = new TrainingMetrics();
        using var batch = Texts(2, 8);
        Should.Throw<ArgumentNullException>(() => new SftObjective(null!));
        foreach (var options in new SftOptions[] { new(), new() { LabelSmoothing = 0.1 }, new() { TokenMetrics = false } })
        {
            var objective = new SftObjective(peft, options);
            Should.Throw<ArgumentNullException>(() => objective.Loss(null!, metrics));
            Should.Throw<ArgumentNullException>(() => objective.Loss(batch, null!));
            Refuses(new() { InputIds = batch.InputIds.clone() });
            Refuses(new() { InputIds = batch.InputIds.clone(), Labels = zeros(2, 7, ScalarType.Int64) });
            Refuses(new() { InputIds = batch.InputIds.clone(), Labels = zeros(16, ScalarType.Int64) });
            Refuses(new() { InputIds = batch.InputIds.clone(), Labels = zeros(2, 8) });
            Refuses(new() { InputIds = batch.InputIds.clone(), Labels = full([2, 8], TinyModel.Vocabulary, ScalarType.Int64) });
            var disposed = batch.InputIds.clone();
            disposed.Dispose();
            Should.Throw<ObjectDisposedException>(() => objective.Loss(new() { InputIds = batch.InputIds.clone(), Labels = disposed }, metrics));

            void Refuses(Batch bad) => Should.Throw<ArgumentException>(() => objective.Loss(bad, metrics));
        }
    }

    [Fact]
    public void Options_that_cannot_be_used_are_refused()
    {
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        Error(new() { LabelSmoothing = 1 }).ShouldContain("LabelSmoothing must be in [0, 1)");
        Error(new() { LabelSmoothing = 0.1, Loss = SftLoss.Dft }).ShouldContain("drop one of the two");
        Error(new() { NeftuneAlpha = 0 }).ShouldContain("NeftuneAlpha must be above 0");
        Error(new() { Loss = (SftLoss)7 }).ShouldContain("Loss must be one of");
        using var other = TinyModel.Create();
        using var second = other.ApplyLora(rank: 4);
        Should.Throw<TrainingException>(() => new Trainer(peft, TrainingDataset.From(1, _ => Texts(1, 8))) { Objective = new SftObjective(second) }.Train()).Message.ShouldContain("another model");

        string Error(SftOptions options) => Should.Throw<TrainingException>(() => SftTrainer.Create(peft, TrainingDataset.From(1, _ => Texts(1, 8)), options).Train()).Message;
    }

    private static Batch Texts(int rows, int length)
    {
        manual_seed(17);
        var ids = randint(3, TinyModel.Vocabulary, [rows, length]);
        var labels = ids.clone();
        for (var i = 0; i < rows; i++) labels.narrow(0, i, 1).narrow(1, 0, 1 + i).fill_(Batch.IgnoredLabel);
        return new() { InputIds = ids, Labels = labels, Weight = labels.narrow(1, 1, length - 1).ne(Batch.IgnoredLabel).sum().item<long>() };
    }
}
