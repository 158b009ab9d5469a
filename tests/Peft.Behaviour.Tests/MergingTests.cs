using TorchSharp;
using static Peft.Behaviour.Tests.SmallModel;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

public sealed class MergingTests : BehaviourTests
{
    [Theory, MemberData(nameof(EveryMethod))]
    public void Merging_equals_the_forward_pass_and_unmerging_restores_every_bit_or_nothing_is_changed(string method)
    {
        using var model = Create();
        var bits = model.Bits();
        using var peft = model.Adapt(method).Trained();
        var output = model.Logits();
        if (!peft.TryMerge())
        {
            peft.IsMerged.ShouldBeFalse();
            model.Bits().ShouldBeBits(bits);
            model.Logits().Difference(output).ShouldBe(0);
            return;
        }
        model.Logits().ShouldBeNear(output);
        peft.Unmerge();
        model.Bits().ShouldBeBits(bits);
        model.Logits().Difference(output).ShouldBe(0);
        peft.MergeAndUnload(safe: true);
        model.Logits().ShouldBeNear(output);
        PeftModel.Of(model).ShouldBeNull();
    }

    [Theory, MemberData(nameof(EveryMethod))]
    public void A_bfloat16_base_is_adapted_in_float32_and_comes_back(string method)
    {
        using var model = Create(ScalarType.BFloat16);
        var (bits, bare) = (model.Bits(), model.Logits());
        using (var peft = model.Adapt(method).Trained())
        {
            peft.Trainables.ShouldAllBe(tensor => tensor.Value.dtype == ScalarType.Float32);
            var output = model.Logits();
            output.dtype.ShouldBe(bare.dtype);
            output.Difference(bare).ShouldBeGreaterThan(1e-3);
            using var batch = Batch();
            model.Loss(batch).backward();
            peft.Trainables.ShouldAllBe(tensor => tensor.Value.grad!.isfinite().all().item<bool>());
            if (peft.TryMerge())
            {
                // bfloat16 has 8 bits: each weight and each product is off by up to 0.4%.
                model.Logits().Difference(output).ShouldBeLessThan(0.1 * (1 + output.Largest()));
                peft.Unmerge();
            }
        }
        model.Bits().ShouldBeBits(bits);
        model.Logits().Difference(bare).ShouldBe(0);
    }
}
