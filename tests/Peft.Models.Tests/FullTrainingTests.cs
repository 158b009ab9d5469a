using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Trainers of all weights, whose gradients kernels add to the trainer's memory.</summary>
public class FullTrainingTests
{
    // With hooks, layers call their modules, whose gradients torch adds.
    [Theory]
    [InlineData("llama")]
    [InlineData("gpt2")]
    [InlineData("bert-mlm")]
    [InlineData("t5")]
    public void All_ways_of_training_give_the_same_weights(string kind)
    {
        using var scope = NewDisposeScope();
        var (plain, losses) = Train(kind, new(), hooked: true);
        foreach (var (name, options) in new (string, TrainingOptions)[]
        {
            ("whole", new() { ParallelParts = 1 }),
            ("parts", new() { ParallelParts = 2 }),
            ("accumulated", new() { ParallelParts = 1, BatchSize = 2, GradientAccumulation = 3 }),
            ("bounded", new() { ParallelParts = 1, MaxMemory = 1L << 50 }),
        })
        {
            var (trained, own) = Train(kind, options, hooked: false);
            own.Zip(losses).ShouldAllBe(pair => Math.Abs(pair.First - pair.Second) < 1e-4 * pair.Second, name);
            trained.Count.ShouldBe(plain.Count);
            foreach (var ((weight, one), (_, other)) in trained.Zip(plain))
            {
                // The same numbers added to all keys change no weight of the attention: this bias has only roundings for gradients.
                if (weight.EndsWith("key.bias", StringComparison.Ordinal)) one.abs().max().item<float>().ShouldBeLessThan(1e-6f, weight);
                else one.RelativeDifference(other).ShouldBeLessThan(1e-3, $"{name}: {weight}");
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_weight_that_nothing_uses_is_named(int parts)
    {
        using var scope = NewDisposeScope();
        using var model = new WithUnused((CausalLM)TinyModels.Create("llama", 30));
        var trainer = new Trainer(new ModuleTrainable(model), Rows(), new() { MaxSteps = 1, BatchSize = 6, ParallelParts = parts });
        var total = new ModuleTrainable(model).Trainables.Count;
        Should.Throw<TrainingException>(() => trainer.Train()).Message.ShouldContain($"1 of {total} trainable tensors received no gradient in the first step, so they would never be trained: unused.");
    }

    // A second pass over the same graph, as outside of a trainer.
    [Fact]
    public void A_graph_that_is_retained_gives_its_gradients_twice()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModels.Create("llama", 30);
        var loss = model.Loss(Rows().GetBatch([0, 1, 2]));
        loss.backward(retain_graph: true);
        var once = model.named_parameters().Select(pair => (pair.name, pair.parameter.grad!.clone())).ToList();
        loss.backward();
        foreach (var ((name, parameter), (_, gradient)) in model.named_parameters().Zip(once)) parameter.grad!.RelativeDifference(gradient * 2).ShouldBeLessThan(1e-6, name);
    }

    private static (List<(string Name, Tensor Value)> Weights, IReadOnlyList<double> Losses) Train(string kind, TrainingOptions options, bool hooked)
    {
        using var model = Create(kind);
        using var hooks = hooked ? new SilentHooks(model.Backbone) : null;
        // With such an epsilon, the steps are nearly proportional to the gradients, and so are their differences.
        options = options with { BatchSize = options.BatchSize == 2 ? 2 : 6, MaxSteps = 4, LearningRate = 0.03, Optimizer = new AdamWOptions { Epsilon = 1, WeightDecay = 0 } };
        var result = new Trainer(new ModuleTrainable(model), Rows(), options).Train();
        return ([.. model.named_parameters().Select(pair => (pair.name, pair.parameter.detach().clone()))], result.Losses);
    }

    private static PretrainedModel Create(string kind)
        => kind == "bert-mlm" ? MaskedLM.FromConfig(ModelConfig.FromFolder(Reference.Folder(kind)).With("vocab_size", 30).With("initializer_range", 0.6), seed: 3) : TinyModels.Create(kind, 30);

    private static TrainingDataset Rows()
    {
        manual_seed(4);
        var ids = randint(1, 20, [24, 24], ScalarType.Int64);
        return TrainingDataset.From(24, rows =>
        {
            using var index = tensor(rows.Select(row => (long)row).ToArray());
            var some = ids.index_select(0, index);
            return new() { InputIds = some, Labels = some.clone(), Weight = rows.Count * 23, Tokens = rows.Count * 24 };
        });
    }

    private sealed class WithUnused : nn.Module<Tensor, Tensor>, ILossModel
    {
        private readonly CausalLM inner;
        private readonly TorchSharp.Modules.Parameter unused = new(ones(3));

        public WithUnused(CausalLM inner) : base("with unused")
        {
            this.inner = inner;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => inner.forward(input);

        public Tensor Loss(Batch batch) => inner.Loss(batch);

        public IReadOnlyList<Batch> Divide(Batch batch, int parts) => inner.Divide(batch, parts);
    }
}
