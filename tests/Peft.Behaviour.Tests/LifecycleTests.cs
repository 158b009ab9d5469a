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
        using var peft = model.Adapt(method, "a").Trained(seed: 5);
        var a = model.Logits();
        a.Difference(bare).ShouldBeGreaterThan(1e-4);
        peft.AddSample(method, "b").Trained(seed: 6);
        var b = model.Logits();
        a.Difference(b).ShouldBeGreaterThan(1e-4);

        peft.Activate("a");
        model.Logits().Difference(a).ShouldBe(0);
        peft.Trainables.ShouldAllBe(tensor => tensor.Value.requires_grad);
        peft.Find("b").Tensors.Where(pair => !pair.Tensor.IsShared).ShouldAllBe(pair => !pair.Tensor.Value.requires_grad);
        using (peft.WithoutAdapters()) model.Logits().Difference(bare).ShouldBe(0);
        model.Logits().Difference(a).ShouldBe(0);
        peft.Activate("a", "b");
        model.Logits().isfinite().all().item<bool>().ShouldBeTrue();

        peft.Rename("b", "c");
        peft.Delete("a");
        peft.Activate("c");
        model.Logits().Difference(b).ShouldBe(0);
        peft.Freeze("c");
        peft.Trainables.ShouldBeEmpty();
        peft.Delete("c");
        model.Logits().Difference(bare).ShouldBe(0);

        peft.AddSample(method, "d").Trained();
        peft.Unload();
        model.Bits().ShouldBeBits(bits);
        model.parameters().ShouldAllBe(parameter => parameter.requires_grad);
        model.Logits().Difference(bare).ShouldBe(0);
        PeftModel.Of(model).ShouldBeNull();
    }

    [Theory, MemberData(nameof(EveryMethod))]
    public void Each_row_of_a_batch_may_have_an_adapter_of_its_own(string method)
    {
        using var model = Create();
        // Some methods let the rows of a batch see each other: those of one adapter.
        var bare = model.Logits(1)[0];
        using var peft = model.Adapt(method, "a").Trained(seed: 5);
        var a = model.Logits(2)[0];
        peft.AddSample(method, "b").Trained(seed: 6);
        var (b, all) = (model.Logits(0, 3), model.Logits());
        using (peft.Rows("b", PeftModel.Base, "a", "b")) model.Logits().ShouldBeNear(stack([b[0], bare, a, b[1]]));
        model.Logits().Difference(all).ShouldBe(0);
    }
}
