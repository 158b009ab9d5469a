using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Activation checkpointing: the same numbers from less memory.</summary>
public class CheckpointingTests
{
    [Theory]
    [InlineData("llama")]
    [InlineData("gpt2")]
    [InlineData("bert-tokcls")]
    [InlineData("t5")]
    public void Losses_and_gradients_are_those_of_a_plain_pass_also_where_the_layers_input_is_frozen(string name)
    {
        using var scope = NewDisposeScope();
        using var model = Reference.Load(name);
        foreach (var parameter in model.parameters()) parameter.requires_grad = false;
        // As adapters do: weights inside the layers learn, the embedding does not.
        string[] adapted = ["proj.weight", "query.weight", ".q.weight", ".v.weight"];
        var learning = model.named_parameters().Where(pair => adapted.Any(end => pair.name.EndsWith(end, StringComparison.Ordinal))).ToList();
        learning.ShouldNotBeEmpty();
        foreach (var (_, parameter) in learning) parameter.requires_grad = true;
        model.train();
        var ids = randint(0, 96, [2, 12]);
        using var batch = new Batch { InputIds = ids, Labels = name == "bert-tokcls" ? randint(0, 5, [2, 12]) : ids.clone() };

        var expected = Gradients(checkpoint: false);
        var actual = Gradients(checkpoint: true);
        actual.Loss.ShouldBe(expected.Loss);
        foreach (var key in expected.Gradients.Keys)
            actual.Gradients[key].Difference(expected.Gradients[key]).ShouldBeLessThan(1e-6, key);   // the same operations in the same order, sums of a few float32

        (float Loss, Dictionary<string, Tensor> Gradients) Gradients(bool checkpoint)
        {
            model.CheckpointActivations = checkpoint;
            foreach (var (_, parameter) in learning) parameter.grad = null;
            manual_seed(5);   // the dropout of GPT-2
            var loss = model.Loss(batch);
            loss.backward();
            return (loss.item<float>(), learning.ToDictionary(pair => pair.name, pair => pair.parameter.grad!.clone()));
        }
    }
}
