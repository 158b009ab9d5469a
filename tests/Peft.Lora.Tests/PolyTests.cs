using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Lora.Tests;

/// <summary>Poly: which task a row belongs to, and what training draws.</summary>
public sealed class PolyTests : IDisposable
{
    private static readonly PolyOptions Options = new() { Rank = 2, TaskCount = 3, SkillCount = 2, SplitCount = 2, TargetModules = "0" };

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly nn.Module<Tensor, Tensor> model;
    private readonly Tensor x;

    public PolyTests()
    {
        manual_seed(8);
        model = nn.Sequential(nn.Linear(6, 4));
        x = randn(3, 5, 6);
        model.eval();
    }

    public void Dispose() => scope.Dispose();

    private PeftModel Adapt()
    {
        var peft = model.ApplyAdapter(Options);
        peft.Shake(1);
        return peft;
    }

    [Fact]
    public void Each_row_gets_the_mixture_of_its_task()
    {
        using var peft = Adapt();
        var state = peft.StateOf(peft.Find("default"));
        Tensor Find(string name) => state[$"base_model.model.0.{name}"];
        using (peft.Tasks(2, 0, 2))
        {
            var y = model.call(x);
            foreach (var (row, task) in new[] { (0, 2), (1, 0), (2, 2) })
            {
                var expected = nn.functional.linear(x[row], model.get_parameter("0.weight")!, model.get_parameter("0.bias"));
                foreach (var split in new[] { 0, 1 })
                {
                    var shares = Find("poly_router.module_logits")[task].narrow(0, 2 * split, 2).sigmoid();
                    shares /= shares.sum();
                    Tensor Mixed(string name) => Find(name)[split][0] * shares[0] + Find(name)[split][1] * shares[1];
                    // Splits share the rank: all read into it, each writes to its own outputs.
                    var down = x[row].narrow(-1, 0, 3).matmul(MixedAt("poly_lora_A", 0, task)) + x[row].narrow(-1, 3, 3).matmul(MixedAt("poly_lora_A", 1, task));
                    expected.narrow(-1, 2 * split, 2).add_(down.matmul(Mixed("poly_lora_B")) / 2);
                }
                y[row].Difference(expected).ShouldBeLessThan(1e-5f);
            }
        }

        Tensor MixedAt(string name, int split, int task)
        {
            var shares = Find("poly_router.module_logits")[task].narrow(0, 2 * split, 2).sigmoid();
            return (Find(name)[split][0] * shares[0] + Find(name)[split][1] * shares[1]) / shares.sum();
        }
    }

    [Fact]
    public void Rows_with_adapters_of_their_own_keep_their_tasks()
    {
        using var peft = Adapt();
        peft.Add("other", Options);
        peft.Activate("other");
        peft.Shake(1);
        Tensor Alone(string name, int task, int row)
        {
            peft.Activate(name);
            using var _ = peft.Tasks(task);
            return model.call(x.narrow(0, row, 1))[0];
        }
        var expected = stack([Alone("other", 1, 0), Alone("default", 2, 1), Alone("other", 0, 2)]);
        using var tasks = peft.Tasks(1, 2, 0);
        using (peft.Rows("other", "default", "other")) model.call(x).Difference(expected).ShouldBeLessThan(1e-5f);
        peft.Activate(Composition.BatchSplit(("other", 1), ("default", 2)));
        model.call(x)[1].Difference(expected[1]).ShouldBeLessThan(1e-5f);
    }

    [Fact]
    public void Training_draws_mixtures_around_those_of_inference()
    {
        using var peft = Adapt();
        using var tasks = peft.Tasks(1);
        using var _ = no_grad();
        var still = model.call(x);
        model.call(x).Difference(still).ShouldBe(0);
        model.train();
        model.call(x).Difference(model.call(x)).ShouldBeGreaterThan(1e-4f);
        manual_seed(3);
        var first = model.call(x);
        manual_seed(3);
        model.call(x).Difference(first).ShouldBe(0);
    }

    [Fact]
    public void What_the_tasks_lack_is_said()
    {
        using var peft = Adapt();
        Should.Throw<PeftException>(() => model.call(x)).Message.ShouldContain("3 tasks");
        using (peft.Tasks(3)) Should.Throw<PeftException>(() => model.call(x)).Message.ShouldContain("Task 3");
        using (peft.Tasks(0, 1)) Should.Throw<PeftException>(() => model.call(x)).Message.ShouldContain("2 rows");
        peft.Delete("default");
        Should.Throw<AdapterOptionsException>(() => peft.Add("odd", Options with { SplitCount = 4 })).Message.ShouldContain("SplitCount is 4");
        peft.Add("single", Options with { TaskCount = 1 });
        model.call(x).shape.ShouldBe([3, 5, 4]);   // with one task there is nothing to say
    }
}
