using static Peft.Behaviour.Tests.SmallModel;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

public sealed class TrainingTests : BehaviourTests
{
    [Theory, MemberData(nameof(EveryMethod))]
    public void Gradients_reach_what_is_trained_and_nothing_else(string method)
    {
        using var model = Create();
        using var peft = model.Adapt(method).Trained();
        using var batch = Batch();
        var loss = model.Loss(batch);
        (peft.Penalty() is { } penalty ? loss + penalty : loss).backward();
        peft.Unreached.ShouldBeEmpty();
        peft.Trainables.ShouldNotBeEmpty();
        peft.Trainables.ShouldAllBe(tensor => tensor.Value.grad!.isfinite().all().item<bool>());
        peft.Trainables.Where(tensor => tensor.Value.grad!.abs().sum().item<float>() == 0).Select(tensor => tensor.Name).ShouldBeEmpty();
        model.parameters().Where(TakesGradient).ShouldBeEmpty();
        var trained = peft.Trainables.Select(tensor => tensor.Value).ToHashSet<object>(ReferenceEqualityComparer.Instance);
        peft.Adapters.Values.SelectMany(adapter => adapter.Tensors).Where(pair => !trained.Contains(pair.Tensor.Value) && TakesGradient(pair.Tensor.Value)).Select(pair => pair.Key).ShouldBeEmpty();
    }

    private static bool TakesGradient(Tensor tensor) => tensor.requires_grad || tensor.grad is not null;

    [Theory, MemberData(nameof(EveryMethod))]
    public void A_resumed_run_equals_an_uninterrupted_one_bit_for_bit(string method)
    {
        var (whole, resumed) = (Path.Combine(Folder, "whole"), Path.Combine(Folder, "resumed"));
        var start = Array.Empty<byte[]>();
        Dictionary<string, byte[]> Train(TrainingOptions options)
        {
            using var model = Create();
            var bits = model.Bits();
            using var peft = model.Adapt(method).Trained();
            start = [.. peft.Trainables.Select(tensor => tensor.Value.Bits())];
            using var ids = Ids(rows: 8);
            new Trainer(peft, TrainingDataset.From(ids, ids), options).Train();
            peft.Trainables.Zip(start).Count(pair => !pair.First.Value.Bits().SequenceEqual(pair.Second)).ShouldBeGreaterThan(0);
            model.Bits().ShouldBeBits(bits);
            return peft.Bits();
        }
        var options = new TrainingOptions { MaxSteps = 4, BatchSize = 4, SaveEverySteps = 2, OutputFolder = whole };
        var expected = Train(options);
        Train(options with { OutputFolder = resumed, ResumeFrom = Path.Combine(whole, "checkpoint-2") }).ShouldBeBits(expected);
    }

    [Theory, MemberData(nameof(EveryMethod))]
    public void Parts_of_a_batch_that_run_at_the_same_time_train_as_the_whole(string method)
    {
        IReadOnlyList<double> Train(int parts)
        {
            using var model = Create();
            using var peft = model.Adapt(method).Trained();
            manual_seed(5);
            using var ids = randint(1, Vocabulary, [8, 16]);
            return new Trainer(peft, TrainingDataset.From(ids, ids), new TrainingOptions { MaxSteps = 3, BatchSize = 8, LearningRate = 1e-3, ParallelParts = parts }).Train().Losses;
        }
        var (whole, divided) = (Train(1), Train(2));
        divided.Zip(whole).ShouldAllBe(pair => Math.Abs(pair.First - pair.Second) < 1e-4 * pair.Second);   // sums in another order
        Train(2).ShouldBe(divided);
    }

    public static TheoryData<string, string> EveryDropout
        => OptionFields.Where(option => option.Is(typeof(double)) && option.Name.Contains("dropout", StringComparison.Ordinal));

    [Theory, MemberData(nameof(EveryDropout))]
    public void Dropout_acts_in_training_only(string method, string option)
    {
        using var model = Create();
        Tensor Evaluated(double share)
        {
            using var peft = model.Adapt(method, options: Sample.Of(method).Options.With(option, share)).Trained();
            if (share > 0)
            {
                model.train();
                var passes = Enumerable.Range(0, 6).Select(seed => Trained(seed)).ToList();
                passes.Skip(1).ShouldContain(pass => pass.Difference(passes[0]) > 1e-6);
                Trained(0).Difference(passes[0]).ShouldBe(0);
                model.eval();
            }
            return model.Logits();
        }
        Tensor Trained(int seed)
        {
            var input = new Models.ModelInput { InputIds = Ids() };
            manual_seed(seed);
            return model.forward(input).detach();
        }
        Evaluated(0.4).Difference(Evaluated(0)).ShouldBe(0);
    }
}
