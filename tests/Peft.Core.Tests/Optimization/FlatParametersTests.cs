using FsCheck.Xunit;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Optimization;

public class FlatParametersTests
{
    [Fact]
    public void Parameters_keep_their_values_and_stay_leaves()
    {
        var tensors = new[] { Trainables.Trainable("a", 3, 5), Trainables.Trainable("b", 7), Trainables.Trainable("c", 2, 2, 2) };
        var before = tensors.Select(tensor => tensor.Value.Values<float>()).ToArray();
        using var flat = new FlatParameters(tensors);
        for (var i = 0; i < tensors.Length; i++)
        {
            tensors[i].Value.Values<float>().ShouldBe(before[i]);
            tensors[i].Value.is_leaf.ShouldBeTrue();
            tensors[i].Value.requires_grad.ShouldBeTrue();
        }
    }

    [Fact]
    public void Backward_accumulates_into_the_flat_gradient()
    {
        var tensors = new[] { Trainables.Trainable("a", 3, 5), Trainables.Trainable("b", 7) };
        using var flat = new FlatParameters(tensors);
        for (var i = 0; i < 2; i++)
        {
            using var scope = NewDisposeScope();
            tensors[0].Value.sum().add(tensors[1].Value.mul(2).sum()).backward();
        }
        flat.Buffers.Count.ShouldBe(1);
        flat.Buffers[0].Gradients.sum().item<float>().ShouldBe(2 * 15 + 2 * 14);
        flat.ZeroGradients();
        tensors[1].Value.grad!.Values<float>().ShouldAllBe(number => number == 0);
    }

    [Fact]
    public void Changing_the_buffer_changes_the_parameter()
    {
        var tensors = new[] { Trainables.Trainable("a", 4), Trainables.Trainable("b", 4) };
        using var flat = new FlatParameters(tensors);
        using (no_grad()) flat.Buffers[0].Values.fill_(3);
        tensors[1].Value.Values<float>().ShouldAllBe(number => number == 3);
    }

    [Fact]
    public void Each_type_has_a_buffer_of_its_own()
    {
        using var flat = new FlatParameters([Trainables.Trainable("a", 4), Trainables.Trainable("b", ones(3, dtype: ScalarType.Float64))]);
        flat.Buffers.Select(buffer => buffer.Values.dtype).ShouldBe([ScalarType.Float32, ScalarType.Float64]);
    }

    [Fact]
    public void Slices_lie_in_the_order_of_groups_and_then_as_given()
    {
        ParameterGroup[] groups = [new("last", tensor => tensor.Name.StartsWith('z')), new("vectors", tensor => tensor.Value.dim() == 1)];
        using var flat = new FlatParameters([Trainables.Trainable("m", 2, 2), Trainables.Trainable("v", 3), Trainables.Trainable("z2", 3), Trainables.Trainable("z1", 3)], groups);
        flat.Buffers[0].Slices.Select(slice => slice.Tensor.Name).ShouldBe(["z2", "z1", "v", "m"]);
        flat.Buffers[0].Ranges.Select(range => range.Group).ShouldBe([0, 1, 2]);
        flat.Buffers[0].Slices.ShouldAllBe(slice => slice.Start % 16 == 0);
    }

    [Fact]
    public void A_replaced_gradient_is_copied_and_a_removed_one_counts_as_zero()
    {
        var tensors = new[] { Trainables.Trainable("a", 3), Trainables.Trainable("b", 3), Trainables.Trainable("c", 3) };
        using var flat = new FlatParameters(tensors);
        foreach (var tensor in tensors) tensor.SetGradient(ones(3));
        tensors[0].Value.grad = full(3, 5f);
        tensors[1].Value.grad = null;
        flat.BindGradients().ShouldBe(["b"]);
        flat.Buffers[0].Gradients.Values<float>().Sum().ShouldBe(15 + 0 + 3);
        tensors[0].Value.sum().backward();
        flat.Buffers[0].Gradients.Values<float>().Sum().ShouldBe(15 + 3 + 0 + 3);
    }

    [Fact]
    public void A_parameter_that_left_the_buffer_is_named()
    {
        var tensors = new[] { Trainables.Trainable("a", 3), Trainables.Trainable("b", 3) };
        using var flat = new FlatParameters(tensors);
        using (no_grad()) tensors[1].Value.set_(zeros(3));
        Should.Throw<TrainingException>(() => flat.BindGradients()).Message.ShouldContain("Parameter b");
    }

    [Fact]
    public void After_release_parameters_own_their_memory_and_keep_their_values()
    {
        var tensor = Trainables.Trainable("a", 3);
        var flat = new FlatParameters([tensor, Trainables.Trainable("b", 3)]);
        using (no_grad()) flat.Buffers[0].Values.fill_(2);
        flat.Release();
        flat.Release();
        tensor.Value.Values<float>().ShouldBe([2f, 2f, 2f]);
        tensor.Value.grad.ShouldBeNull();
        tensor.Value.sum().backward();
        tensor.Value.grad!.Values<float>().ShouldBe([1f, 1f, 1f]);
    }

    [Fact]
    public void Wrong_tensors_are_all_named_at_once()
    {
        var twice = new Parameter(randn(2));
        var message = Should.Throw<ArgumentException>(() => new FlatParameters(
            [new("a", twice), new("b", twice), new("frozen", new Parameter(randn(2), requires_grad: false))])).Message;
        message.ShouldContain("b is the same tensor as a");
        message.ShouldContain("frozen does not require a gradient");
        Should.Throw<ArgumentException>(() => new FlatParameters([])).Message.ShouldContain("no trainable tensor");
    }

    [Property(MaxTest = 30)]
    public void Norm_and_clipping_equal_those_of_torch(ushort seed, byte tensorCount, bool small)
    {
        using var scope = NewDisposeScope();
        manual_seed(seed);
        var count = tensorCount % 7 + 1;
        var own = Enumerable.Range(0, count).Select(i => Trainables.Trainable($"t{i}", i + 1, 33)).ToArray();
        var other = own.Select(tensor => new Parameter(tensor.Value.detach().clone())).ToArray();
        using var flat = new FlatParameters(own);
        for (var i = 0; i < count; i++)
        {
            var gradient = randn_like(other[i]).mul(small ? 1e-3 : 10).detach();
            own[i].SetGradient(gradient);
            other[i].grad = gradient;
        }
        var expected = nn.utils.clip_grad_norm_(other, 1.0);
        var norm = flat.GradientNorm().item<float>();
        flat.ClipGradients(norm, 1.0);

        // Sums of squares in another order: a few units in the last place of a float32.
        ((double)norm).ShouldBe(expected, 1e-5 * expected);
        for (var i = 0; i < count; i++) own[i].Value.grad!.Difference(other[i].grad!).ShouldBeLessThan(1e-6);
    }
}
