using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class TemporaryTensorsTests
{
    private static readonly long[] Shape = [64, 1024];

    [Fact]
    public void Memory_is_reused_in_a_step_and_never_while_it_is_used()
    {
        using var scope = NewDisposeScope();
        using var step = TemporaryTensors.InStep();
        var first = TemporaryTensors.Empty(Shape, isTemporary: true);
        var at = TensorAddress.Of(first);
        var second = TemporaryTensors.Empty(Shape, isTemporary: true);
        TensorAddress.Of(second).ShouldNotBe(at);
        TemporaryTensors.Return(first);
        first.IsInvalid.ShouldBeTrue();
        var third = TemporaryTensors.Empty([32, 2000], isTemporary: true);   // fewer values
        TensorAddress.Of(third).ShouldBe(at);
        third.shape.ShouldBe([32, 2000]);
        third.is_contiguous().ShouldBeTrue();
        TemporaryTensors.Return(third);
        TemporaryTensors.Empty([64, 2048], isTemporary: true).numel().ShouldBe(1 << 17);   // a larger one takes its place
        TensorAddress.Of(TemporaryTensors.Empty(Shape, isTemporary: false)).ShouldNotBe(TensorAddress.Of(second));
    }

    [Fact]
    public void A_tensor_that_was_not_returned_outlives_the_step()
    {
        using var scope = NewDisposeScope();
        Tensor kept;
        using (TemporaryTensors.InStep()) kept = TemporaryTensors.Empty(Shape, isTemporary: true).fill_(3);
        for (var i = 0; i < 4; i++) empty(Shape).fill_(i);
        kept.eq(3).all().item<bool>().ShouldBeTrue();
    }

    [Fact]
    public void Without_a_step_and_on_other_threads_tensors_are_ordinary()
    {
        using var scope = NewDisposeScope();
        var tensor = TemporaryTensors.Empty(Shape, isTemporary: true);
        TemporaryTensors.Return(tensor);
        tensor.IsInvalid.ShouldBeTrue();
        using var step = TemporaryTensors.InStep();
        var mine = TemporaryTensors.Empty(Shape, isTemporary: true);
        var at = TensorAddress.Of(mine);
        TemporaryTensors.Return(mine);
        nint other = 0;
        var thread = new Thread(() =>
        {
            using var inner = NewDisposeScope();
            using var own = TemporaryTensors.InStep();
            other = TensorAddress.Of(TemporaryTensors.Empty(Shape, isTemporary: true));
        });
        thread.Start();
        thread.Join();
        other.ShouldNotBe(at);   // which this thread still has
        using (TemporaryTensors.InStep()) TensorAddress.Of(TemporaryTensors.Empty(Shape, isTemporary: true)).ShouldNotBe(at);
        TensorAddress.Of(TemporaryTensors.Empty(Shape, isTemporary: true)).ShouldBe(at);
    }
}
