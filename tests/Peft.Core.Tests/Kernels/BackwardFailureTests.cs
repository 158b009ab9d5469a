using System.Runtime.InteropServices;
using Peft.Core.Tests.Training;
using Peft.Kernels;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class BackwardFailureTests
{
    [Fact]
    public void A_change_in_place_throws_in_the_users_own_backward_as_in_torch()
    {
        using var scope = NewDisposeScope();
        var (x, weight, scalar) = (randn(16, 32), new Parameter(randn(24, 32)), new Parameter(tensor(2f)));
        var loss = LinearProduct.Run(x.mul(scalar), weight, null).sum();
        var later = x.mul(scalar);
        var changed = LinearProduct.Run(later, weight, null).sum();
        later.add_(1);
        Should.Throw<ExternalException>(() => changed.backward()).Message.ShouldContain("meta");
        loss.backward();   // the thread goes on
        weight.grad!.RelativeDifference(x.mul(2).sum(dim: 0).expand(24, 32)).ShouldBeLessThan(1e-5);
    }

    [Fact]
    public void A_change_in_place_throws_through_nested_backward_passes()
    {
        using var scope = NewDisposeScope();
        var weight = new Parameter(randn(24, 32));
        var y = NestedNode.Run(randn(16, 32).requires_grad_(), weight);
        Should.Throw<ExternalException>(() => y.sum().backward()).Message.ShouldContain("meta");
        Should.Throw<TrainingException>(() => BackwardFailure.Run(() => NestedNode.Run(randn(16, 32).requires_grad_(), weight).sum().backward())).Message.ShouldContain("changed in place");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_change_in_place_ends_a_run_with_a_named_exception(int parts)
    {
        var model = new Editing();
        var trainer = new Trainer(new ModuleTrainable(model), Runs.Rows(64), new() { BatchSize = 32, Shuffle = false, ParallelParts = parts, Epochs = 1 });
        var message = Should.Throw<TrainingException>(() => trainer.Train()).Message;
        message.ShouldContain("changed in place");
        message.ShouldContain("y = y.add(x)");
        model.Edits = false;
        trainer.Train().Steps.ShouldBe(2);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_backward_pass_without_memory_is_divided_under_a_bound(int parts)
    {
        float[] Trained(int rows, long? bound)
        {
            manual_seed(5);
            var model = new ModuleTrainable(new Hungry(rows));
            new Trainer(model, Runs.Rows(64), new() { BatchSize = 32, Shuffle = false, ParallelParts = parts, Epochs = 1, LearningRate = 0.1, MaxMemory = bound }).Train().Steps.ShouldBe(2);
            return model.Numbers();
        }
        Should.Throw<NotEnoughMemoryException>(() => Trained(8, null)).Message.ShouldContain("The backward pass ran out of memory");
        Trained(8, 1L << 36).Zip(Trained(64, null)).ShouldAllBe(pair => Math.Abs(pair.First - pair.Second) < 1e-5f);
    }

    /// <summary>A model whose backward pass has memory for some rows.</summary>
    private sealed class Hungry : nn.Module<Tensor, Tensor>, ILossModel
    {
        private readonly Parameter weight = new(randn(4));
        private readonly int rows;

        public Hungry(int rows) : base("hungry")
        {
            this.rows = rows;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => HungryNode.Run(input.mul(weight), rows);

        public Tensor Loss(Batch batch) => call(batch.InputIds).square().mean();

        public IReadOnlyList<Batch> Divide(Batch batch, int parts) => Halves(batch, parts);
    }

    private static IReadOnlyList<Batch> Halves(Batch batch, int parts)
    {
        var rows = (int)batch.InputIds.shape[0] / parts;
        return rows == 0 || parts == 1 ? [batch] : [.. Enumerable.Range(0, parts).Select(part => batch.Rows(part * rows, rows, rows)!)];
    }

    private sealed class HungryNode : GraphNode<HungryNode>
    {
        public static Tensor Run(Tensor x, int rows) => Record(x, rows)[0];

        protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
        {
            context.save_data("rows", arguments[1]);
            return [((Tensor)arguments[0]).mul(2)];
        }

        protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
        {
            if (gradients[0].size(0) > (int)context.get_data("rows")) using (empty(1L << 46)) { }   // 256 TiB
            return [gradients[0].mul(2), null];
        }
    }

    /// <summary>A model that changes an input of its layer after the layer.</summary>
    private sealed class Editing : nn.Module<Tensor, Tensor>, ILossModel
    {
        private readonly Parameter weight = new(randn(24, 4));

        public Editing() : base("editing") => RegisterComponents();

        public bool Edits { get; set; } = true;

        public override Tensor forward(Tensor input)
        {
            var x = input.mul(2);
            var y = LinearProduct.Run(x, weight, null);
            if (Edits) x.add_(1);
            return y;
        }

        public Tensor Loss(Batch batch) => call(batch.InputIds).square().mean();

        public IReadOnlyList<Batch> Divide(Batch batch, int parts) => Halves(batch, parts);
    }

    /// <summary>A node whose backward pass runs another one, as activation checkpointing does.</summary>
    private sealed class NestedNode : GraphNode<NestedNode>
    {
        public static Tensor Run(Tensor x, Tensor weight) => Record(x, weight)[0];

        protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
        {
            var (x, weight) = ((Tensor)arguments[0], (Tensor)arguments[1]);
            context.save_for_backward([x, weight]);
            return [MatrixProduct.Run(x, weight, null)];
        }

        protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
        {
            var saved = context.get_saved_variables();
            using var _ = enable_grad();
            var input = saved[0].detach().clone().requires_grad_();
            var x = input.mul(1);
            var output = LinearProduct.Run(x, saved[1], null);
            using (no_grad()) x.add_(1);
            autograd.backward([output], [gradients[0]]);
            return [input.grad, null];
        }
    }
}
