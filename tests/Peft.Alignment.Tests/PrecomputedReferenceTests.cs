using Peft.Checkpoints;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests;

public sealed class PrecomputedReferenceTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("reference").FullName;
    private readonly CausalLM model = TinyModel.Create();
    private readonly PeftModel peft;

    public PrecomputedReferenceTests() => peft = Texts.Policy(model);

    [Fact]
    public void Training_on_precomputed_values_equals_training_with_the_reference()
    {
        foreach (var labelled in new[] { false, true })
        {
            var (expected, actual) = (Train(labelled, precompute: false), Train(labelled, precompute: true));
            expected.Zip(actual).Max(pair => Math.Abs(pair.First - pair.Second)).ShouldBeLessThan(1e-4f);
        }

        static float[] Train(bool labelled, bool precompute)
        {
            using var model = TinyModel.Create();
            using var peft = model.ApplyLora(rank: 4);
            Objective objective = labelled ? new KtoObjective(peft) : new DpoObjective(peft);
            var data = Texts.Data(6, labelled);
            if (precompute) data = data.PrecomputeReference(objective, batchSize: 4);
            new Trainer(peft, data, new TrainingOptions { MaxSteps = 4, BatchSize = 3, LearningRate = 1e-2 }) { Objective = objective }.Train();
            return Texts.Values(peft);
        }
    }

    [Fact]
    public void Values_are_found_again_and_other_data_has_others()
    {
        var steps = new List<int>();
        var progress = new Steps(steps.Add);
        var first = Texts.Data(5).PrecomputeReference(new DpoObjective(peft), folder, batchSize: 2, progress);
        steps.ShouldBe([2, 4, 5]);
        var again = Texts.Data(5).PrecomputeReference(new DpoObjective(peft), folder, batchSize: 3, progress);
        steps.Count.ShouldBe(3);
        Column(again, "ref_chosen_logps").ShouldBe(Column(first, "ref_chosen_logps"));
        Directory.GetFiles(folder).Length.ShouldBe(1);
        Texts.Data(5, seed: 99).PrecomputeReference(new DpoObjective(peft), folder);
        Texts.Data(5).PrecomputeReference(new DpoObjective(peft, new() { LengthDesensitization = 0.5 }), folder);
        Texts.Data(5).PrecomputeReference(new DpoObjective(peft, reference: peft.AddReference()), folder);
        Directory.GetFiles(folder).Length.ShouldBe(4);
        Texts.Data(3, labelled: true).PrecomputeReference(new BcoObjective(peft), folder);
        Directory.GetFiles(folder).Length.ShouldBe(5);
    }

    [Fact]
    public void A_file_of_other_data_under_the_same_name_is_refused()
    {
        Texts.Data(5).PrecomputeReference(new DpoObjective(peft), folder);
        var path = Directory.GetFiles(folder).Single();
        File.Delete(path);
        Texts.Data(5, seed: 99).PrecomputeReference(new DpoObjective(peft), folder);
        File.Move(Directory.GetFiles(folder).Single(), path);
        Should.Throw<DatasetException>(() => Texts.Data(5).PrecomputeReference(new DpoObjective(peft), folder)).Message.ShouldContain("other data or another model");
        File.WriteAllBytes(path, [1, 2, 3]);
        Should.Throw<CheckpointException>(() => Texts.Data(5).PrecomputeReference(new DpoObjective(peft), folder));
    }

    [Fact]
    public void Values_of_another_model_of_the_same_name_are_refused()
    {
        Texts.Data(5).PrecomputeReference(new DpoObjective(peft), folder);
        using var other = TinyModel.Create(seed: 4);
        using var policy = other.ApplyLora(rank: 4);
        Should.Throw<DatasetException>(() => Texts.Data(5).PrecomputeReference(new DpoObjective(policy), folder)).Message.ShouldContain("another reference");
    }

    [Fact]
    public void Rows_that_changed_are_refused()
    {
        var seed = 17;
        var data = TrainingDataset.From(4, rows => Texts.Rows(rows, seed: seed), "changing").PrecomputeReference(new DpoObjective(peft));
        data.GetBatch([1, 2]).Dispose();
        seed = 18;
        Should.Throw<DatasetException>(() => data.GetBatch([2, 3])).Message.ShouldContain("Row 2 of changing");
    }

    [Fact]
    public void Cancelled_computations_write_nothing_and_objectives_without_reference_are_refused()
    {
        using var source = new CancellationTokenSource();
        var progress = new Steps(_ => source.Cancel());
        Should.Throw<OperationCanceledException>(() => Texts.Data(5).PrecomputeReference(new DpoObjective(peft), folder, batchSize: 2, progress, source.Token));
        Directory.GetFiles(folder).ShouldBeEmpty();
        Should.Throw<ArgumentException>(() => Texts.Data(5).PrecomputeReference(new OrpoObjective(peft))).Message.ShouldContain("no reference");
        Should.Throw<ArgumentNullException>(() => Texts.Data(5).PrecomputeReference(null!));
        Should.Throw<AdapterOptionsException>(() => Texts.Data(5).PrecomputeReference(new DpoObjective(peft, reference: Reference.Adapter("elsewhere"))));
    }

    private static float[] Column(TrainingDataset data, string name)
    {
        using var batch = data.GetBatch([.. Enumerable.Range(0, data.Count)]);
        return batch.Extra[name].data<float>().ToArray();
    }

    private sealed class Steps(Action<int> report) : IProgress<int>
    {
        public void Report(int value) => report(value);
    }

    public void Dispose()
    {
        peft.Dispose();
        model.Dispose();
        Directory.Delete(folder, recursive: true);
    }
}
