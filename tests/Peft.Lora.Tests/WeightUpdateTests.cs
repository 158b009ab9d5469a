using Peft.Lora;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Lora.Tests;

/// <summary>What is peculiar to one method of the package, and no case of the oracle shows.</summary>
public sealed class WeightUpdateTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly TemporaryFolder folder = new();

    public WeightUpdateTests() => manual_seed(11);

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void AdaLoRA_goes_on_from_its_training_state_as_if_it_had_not_stopped()
    {
        var options = new AdaLoraOptions { InitialRank = 4, TargetRank = 1, WarmupSteps = 1, FinalSteps = 2, TargetModules = ["0", "2"] };
        using var model = new UserModel();
        using var peft = model.ApplyAdapter(options);
        using var copy = new UserModel();
        copy.load_state_dict(model.state_dict());
        using var resumed = copy.ApplyAdapter(options);
        var x = randn(16, 6);
        Train(peft, x, 1, 6);
        Copy(peft.Trainables.ToDictionary(each => each.Name, each => (Tensor)each.Value), resumed.Trainables.ToDictionary(each => each.Name, each => (Tensor)each.Value));
        Copy(peft.TrainingState, resumed.TrainingState);
        Train(peft, x, 6, 10);
        Train(resumed, x, 6, 10);

        resumed.Trainables.Zip(peft.Trainables).Where(pair => !pair.First.Value.bytes.SequenceEqual(pair.Second.Value.bytes)).ShouldBeEmpty();
        resumed.SaveAdapter(folder);
        var saved = (AdaLoraOptions)AdapterConfig.Read(folder);
        saved.RankPattern!.Values.Sum(kept => kept.Count(each => each)).ShouldBe(3);   // the wanted rank, on average: middle.0, middle.2, list.0
        resumed.Delete(PeftModel.DefaultName);
        resumed.LoadAdapter(folder);
        copy.call(x).Difference(model.call(x)).ShouldBeLessThan(1e-6f);   // what was left out was zero
    }

    [Fact]
    public void The_exact_gradient_of_C3A_is_that_of_the_merged_weight()
    {
        Tensor Gradient(bool exact, bool merged)
        {
            manual_seed(3);
            using var model = new UserModel();
            using var peft = model.ApplyAdapter(new C3aOptions { BlockSize = 4, ExactGradient = exact, TargetModules = ["0", "2"] });
            if (merged) peft.Merge();
            var x = randn(5, 6).requires_grad_(true);
            model.call(x).square().sum().backward();
            return x.grad!;
        }

        Gradient(exact: true, merged: false).Difference(Gradient(exact: true, merged: true)).ShouldBeLessThan(1e-4f);   // float32
        Gradient(exact: false, merged: false).Difference(Gradient(exact: true, merged: true)).ShouldBeGreaterThan(1e-3f);
    }

    [Fact]
    public void A_brief_VBLoRA_file_fixes_its_mixes()
    {
        using var model = new UserModel();
        using var peft = model.ApplyAdapter(new VbLoraOptions { Rank = 2, Vectors = 6, VectorLength = 4, SaveOnlyTopK = true, BankBound = 1, TargetModules = ["0", "2"] });
        var x = randn(5, 6);
        var output = model.call(x);
        peft.SaveAdapter(folder);
        peft.Delete(PeftModel.DefaultName);
        peft.LoadAdapter(folder, trainable: true);
        model.call(x).Difference(output).ShouldBeLessThan(1e-5f);
        peft.Trainables.Select(each => each.Name).ShouldBe(["base_model.vblora_vector_bank"]);
    }

    [Theory]
    [InlineData(1), InlineData(2), InlineData(6), InlineData(10)]
    public void Filters_of_a_wavelet_are_orthonormal_with_all_their_shifts(int order)
    {
        var low = Wavelet.LowPass(order);
        var high = Wavelet.HighPass(low);
        for (var shift = 0; shift < low.Length; shift += 2)
        {
            Product(low, low, shift).ShouldBe(shift == 0 ? 1 : 0, 1e-7);   // roots of high multiplicity cost digits
            Product(high, low, shift).ShouldBe(0, 1e-7);
            Product(low, high, shift).ShouldBe(0, 1e-7);
        }
        low.Sum().ShouldBe(Math.Sqrt(2), 1e-12);

        static double Product(double[] a, double[] b, int shift) => Enumerable.Range(0, a.Length - shift).Sum(i => a[i + shift] * b[i]);
    }

    [Fact]
    public void A_learning_rate_that_suits_the_method_is_recommended()
    {
        using var model = new UserModel();
        using var peft = model.ApplyAdapter(new VeraOptions { Rank = 4, TargetModules = ["0"] });
        peft.RecommendedLearningRate.ShouldBe(4e-3);
    }

    private static void Train(PeftModel peft, Tensor x, int first, int end)
    {
        for (var step = first; step < end; step++)
        {
            foreach (var tensor in peft.Trainables) tensor.Value.grad = null;
            (((UserModel)peft.Module).call(x).square().sum() + peft.Penalty()!).backward();
            using (no_grad())
                foreach (var tensor in peft.Trainables) tensor.Value.sub_(tensor.Value.grad! * 0.01);
            peft.AfterStep(step, 9);
        }
    }

    private static void Copy(IReadOnlyDictionary<string, Tensor> from, IReadOnlyDictionary<string, Tensor> to)
    {
        using var _ = no_grad();
        from.Keys.ShouldBe(to.Keys);
        foreach (var (name, value) in from) to[name].copy_(value);
    }
}
