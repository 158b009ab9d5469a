using static TorchSharp.torch;

namespace Peft.Core.Tests.Lifecycle;

/// <summary>Adapters written into the base weights, and these restored.</summary>
public sealed class MergingTests : IDisposable
{
    private readonly TorchSharp.DisposeScope scope = NewDisposeScope();
    private readonly UserModel model = new();
    private readonly Tensor x;

    public MergingTests()
    {
        manual_seed(3);
        x = randn(4, 6);
    }

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
    }

    [Fact]
    public void Merging_equals_the_forward_pass_and_unmerging_restores_the_bits_for_stacks_of_adapters()
    {
        var (bits, before) = (model.Bits(), model.call(x));
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ModuleSelector.AllLinear }, "plain");
        peft.Add("dora", new LoraOptions { Rank = 3, UseDora = true, TargetModules = ["enter", "0"] });
        peft.Add("bias", new LoraOptions { Rank = 1, UseLoraBias = true, Bias = "all", TargetModules = ["leave", "list.1"] });
        peft.Add("pissa", new LoraOptions { Rank = 2, Initialization = LoraInitialization.Pissa, TargetModules = ["middle.2", "leave"] });
        foreach (var names in new string[][] { ["plain"], ["dora"], ["plain", "dora"], ["dora", "plain"], ["pissa", "dora", "bias", "plain"] })
        {
            peft.Activate(names);
            peft.Shake();
            var output = model.call(x);
            peft.Merge();
            model.call(x).RelativeDifference(output).ShouldBeLessThan(1e-4, string.Join("+", names));   // float32 sums in another order
            using (peft.WithoutAdapters()) model.call(x).Difference(before).ShouldBe(0);
            peft.Unmerge();
            model.ShouldHaveBits(bits);
        }
    }

    [Fact]
    public void A_safe_merge_refuses_numbers_that_are_not_finite_and_changes_nothing()
    {
        var bits = model.Bits();
        using var peft = model.ApplyLora(rank: 2);
        using (no_grad()) peft.Trainables[^1].Value.fill_(float.NaN);
        Should.Throw<NotMergeableException>(() => peft.Merge(safe: true)).Message.ShouldContain("NaN");
        model.ShouldHaveBits(bits);
        peft.IsMerged.ShouldBeFalse();
    }

    [Fact]
    public void Two_modules_with_one_weight_cannot_be_merged_apart_and_both_are_named()
    {
        using var twins = new Twins();
        using var peft = twins.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["first"] });
        peft.Shake();
        var message = Should.Throw<NotMergeableException>(() => peft.Merge()).Message;
        message.ShouldContain("first cannot be merged: its weight is also that of second, which would change too.");
        message.ShouldContain("give second a weight of its own");
    }

    private sealed class Twins : nn.Module<Tensor, Tensor>
    {
        private readonly TorchSharp.Modules.Linear first = nn.Linear(4, 4), second = nn.Linear(4, 4);

        public Twins() : base(nameof(Twins))
        {
            second.weight = first.weight;
            RegisterComponents();
        }

        public override Tensor forward(Tensor x) => second.call(first.call(x));
    }
}
