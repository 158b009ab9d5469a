using static Peft.Behaviour.Tests.SmallModel;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

public sealed class LifecycleTests : BehaviourTests
{
    [Theory, MemberData(nameof(EveryMethod))]
    public void Adapters_live_side_by_side_and_leave_the_base_as_it_was(string method)
    {
        using var model = Create();
        var (bits, bare) = (model.Bits(), model.Logits());
        using var peft = model.Adapt(method, "a").Shake(seed: 5);
        var a = model.Logits();
        Difference(a, bare).ShouldBeGreaterThan(1e-4);
        peft.AddSample(method, "b").Shake(seed: 6);
        var b = model.Logits();
        Difference(a, b).ShouldBeGreaterThan(1e-4);

        peft.Activate("a");
        Difference(model.Logits(), a).ShouldBe(0);
        peft.Trainables.ShouldAllBe(tensor => tensor.Value.requires_grad);
        peft.Find("b").Tensors.Where(pair => !pair.Tensor.IsShared).ShouldAllBe(pair => !pair.Tensor.Value.requires_grad);
        using (peft.WithoutAdapters()) Difference(model.Logits(), bare).ShouldBe(0);
        Difference(model.Logits(), a).ShouldBe(0);
        peft.Activate("a", "b");
        model.Logits().isfinite().all().item<bool>().ShouldBeTrue();

        peft.Rename("b", "c");
        peft.Delete("a");
        peft.Activate("c");
        Difference(model.Logits(), b).ShouldBe(0);
        peft.Freeze("c");
        peft.Trainables.ShouldBeEmpty();
        peft.Delete("c");
        Difference(model.Logits(), bare).ShouldBe(0);

        peft.AddSample(method, "d").Shake();
        peft.Unload();
        model.Bits().ShouldBeBits(bits);
        model.parameters().ShouldAllBe(parameter => parameter.requires_grad);
        Difference(model.Logits(), bare).ShouldBe(0);
        PeftModel.Of(model).ShouldBeNull();
    }

    [Theory, MemberData(nameof(EveryMethod))]
    public void Each_row_of_a_batch_may_have_an_adapter_of_its_own(string method)
    {
        using var model = Create();
        // Some methods let the rows of a batch see each other: those of one adapter.
        var bare = model.Logits(1)[0];
        using var peft = model.Adapt(method, "a").Shake(seed: 5);
        var a = model.Logits(2)[0];
        peft.AddSample(method, "b").Shake(seed: 6);
        var (b, all) = (model.Logits(0, 3), model.Logits());
        using (peft.Rows("b", PeftModel.Base, "a", "b")) model.Logits().ShouldBeNear(stack([b[0], bare, a, b[1]]));
        Difference(model.Logits(), all).ShouldBe(0);
    }

    [Theory, MemberData(nameof(EveryMethod))]
    public void An_adapter_starts_from_the_seed(string method)
    {
        using var model = Create();
        Dictionary<string, byte[]> Start()
        {
            using var peft = model.Adapt(method, seed: 9);
            return peft.Bits();
        }
        var first = Start();
        first.ShouldNotBeEmpty();
        Start().ShouldBeBits(first);
    }
}
