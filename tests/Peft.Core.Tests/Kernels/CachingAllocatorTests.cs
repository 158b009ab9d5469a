using Peft.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class CachingAllocatorTests
{
    [Fact]
    public void Tensors_are_like_those_of_torch()
    {
        using var scope = NewDisposeScope();
        foreach (var shape in new long[][] { [0, 3], [], [7], [64, 1024], [2, 3, 4096] })
        {
            var tensor = CachingAllocator.Empty(shape);
            tensor.shape.ShouldBe(shape);
            (tensor.dtype, tensor.device_type, tensor.requires_grad, tensor.is_contiguous()).ShouldBe((ScalarType.Float32, DeviceType.CPU, false, true));
            (TensorAddress.Of(tensor) % 64).ShouldBe(0);
            tensor.fill_(2).mul(tensor).eq(4).all().item<bool>().ShouldBeTrue();
        }
        CachingAllocator.EmptyLike(zeros(8, 4096, dtype: ScalarType.Float32).t()).stride().ShouldBe([8, 1]);
        var learned = CachingAllocator.Empty(64, 1024).fill_(3).requires_grad_();
        learned.mul(learned).sum().backward();
        learned.grad!.eq(6).all().item<bool>().ShouldBeTrue();
    }

    [Fact]
    public void Memory_is_free_after_the_last_tensor_that_has_it()
    {
        using var scope = NewDisposeScope();
        Tensor view, alias;
        using (var tensor = CachingAllocator.Empty(64, 1024).fill_(5))
        {
            view = tensor[3];
            alias = tensor.alias();
        }
        var others = Enumerable.Range(0, 20).Select(i => CachingAllocator.Empty(64, 1024).fill_(i)).ToList();
        view.eq(5).all().item<bool>().ShouldBeTrue();
        view.Dispose();
        others.AddRange(Enumerable.Range(20, 20).Select(i => CachingAllocator.Empty(64, 1024).fill_(i)));
        alias.eq(5).all().item<bool>().ShouldBeTrue();
        for (var i = 0; i < others.Count; i++) others[i].eq(i).all().item<bool>().ShouldBeTrue();
        others.Select(each => TensorAddress.Of(each)).Distinct().Count().ShouldBe(40);
    }

    [Fact]
    public void Tensors_may_end_on_other_threads()
    {
        for (var round = 0; round < 50; round++)
        {
            var tensors = Enumerable.Range(0, 8).Select(i => CachingAllocator.Empty(16, 1024).fill_(i).DetachFromDisposeScope()).ToArray();
            Parallel.For(0, tensors.Length, i =>
            {
                using var scope = NewDisposeScope();
                CachingAllocator.Empty(16, 1024).fill_(-1);
                tensors[i].eq(i).all().item<bool>().ShouldBeTrue();
                tensors[i].Dispose();
            });
        }
    }

    [Fact]
    public void A_negative_or_impossible_size_is_refused()
    {
        Should.Throw<Exception>(() => CachingAllocator.Empty(-1, 1 << 20));
        Should.Throw<OverflowException>(() => CachingAllocator.Empty(long.MaxValue, 2));
    }
}
