using System.Text.Json.Nodes;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

public class LossTests
{
    [Theory]
    [InlineData("llama")]
    [InlineData("gemma2")]
    [InlineData("gpt2")]
    public void The_loss_in_chunks_has_the_gradient_of_the_plain_one(string name)
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromPretrained(Reference.Folder(name));
        var values = Reference.Values(name);
        using var grad = no_grad();
        var embeddings = model.InputEmbeddings.call(values["input_ids"]);
        using var again = enable_grad();

        (Tensor Loss, Tensor Gradient) Run(bool frozen)
        {
            model.Head.Weight.requires_grad = !frozen;
            var leaf = embeddings.clone().requires_grad_();
            var loss = model.Loss(new ModelInput { Embeddings = leaf, AttentionMask = values["attention_mask"] }, values["labels"]);
            loss.backward();
            return (loss.detach(), leaf.grad!.clone());
        }

        var (chunked, plain) = (Run(frozen: true), Run(frozen: false));
        chunked.Loss.Difference(plain.Loss).ShouldBeLessThan(1e-6);
        chunked.Gradient.Difference(plain.Gradient).ShouldBeLessThan(1e-6);
        plain.Gradient.abs().max().item<float>().ShouldBeGreaterThan(1e-4f);
    }

    [Theory]
    [InlineData("llama", 30)]
    [InlineData("gpt2", -1)]
    public void Token_ids_and_labels_outside_of_the_vocabulary_are_named(string kind, long bad)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModels.Create(kind, 30);
        Tensor Ids(long id) => tensor(new[] { 3, 4, id, 5 }).unsqueeze(0);
        Should.Throw<ArgumentException>(() => model.forward(Ids(bad))).Message.ShouldContain($"Token id {bad} is outside the model's vocabulary of 30");
        Should.Throw<ArgumentException>(() => model.Loss(new Batch { InputIds = Ids(5), Labels = Ids(bad) })).Message.ShouldContain($"Label {bad} is outside");
        model.Loss(new Batch { InputIds = Ids(5), Labels = Ids(Batch.IgnoredLabel) }).item<float>().ShouldBeGreaterThan(0);
    }

    [Theory]
    [InlineData("targets", false, false), InlineData("targets", true, false), InlineData("targets", false, true), InlineData("targets", true, true)]
    [InlineData("entropies", false, false), InlineData("entropies", true, false), InlineData("entropies", false, true), InlineData("entropies", true, true)]
    [InlineData("other", false, false), InlineData("other", true, false), InlineData("other", false, true), InlineData("other", true, true)]
    public void Any_number_of_rows_per_chunk_gives_the_same(string kind, bool capped, bool trainsHead)
    {
        using var scope = NewDisposeScope();
        manual_seed(0);
        var (rows, head, targets, weights, cap) = (randn(10, 6), randn(17, 6), randint(0, 17, [10], dtype: ScalarType.Int64), rand(2, 10), capped ? 5.0 : 0);
        RowMeasure Measure() => kind == "other" ? new LargestGap() : new TargetLogProbabilities(targets, kind == "entropies" ? 0.7 : 1, entropies: kind == "entropies");
        Tensor Weighted(Tensor values) => values.mul(weights.narrow(0, 0, values.shape[0])).sum();
        var (reference, referenceHead) = (rows.clone().requires_grad_(), head.clone().requires_grad_());
        var logits = reference.mm(referenceHead.t());
        if (capped) logits = logits.div(cap).tanh().mul(cap);
        var all = logits.div(kind == "entropies" ? 0.7 : 1).log_softmax(-1);
        var chosen = all.gather(1, targets.unsqueeze(1)).squeeze(1);
        var expected = kind switch
        {
            "targets" => chosen.unsqueeze(0),
            "entropies" => stack([chosen, all.exp().mul(all).sum(dim: 1).neg()]),
            _ => (logits.max(1).values - logits.min(1).values).unsqueeze(0),
        };
        Weighted(expected).backward();
        foreach (var chunk in new long[] { 1, 3, 10, 100 })
        {
            using var module = new Modules.Linear(head.shape[1], head.shape[0], bias: false, head.dtype);
            using (no_grad()) module.Weight.copy_(head);
            var (leaf, leafHead) = (rows.clone().requires_grad_(), module.Weight);
            leafHead.requires_grad = trainsHead;
            var values = ChunkedHead.Run(leaf, new(Measure(), cap, chunk, module.Storage));
            Weighted(values).backward();
            values.Difference(expected.detach()).ShouldBeLessThan(2e-6);
            leaf.grad!.Difference(reference.grad!).ShouldBeLessThan(2e-6);
            if (trainsHead) leafHead.grad!.Difference(referenceHead.grad!).ShouldBeLessThan(5e-6);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_hook_of_the_head_sees_the_logits(bool trained)
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromPretrained(Reference.Folder("llama"));
        model.Head.Weight.requires_grad = trained;
        var ids = randint(0, 90, [2, 12], ScalarType.Int64);
        using var batch = new Batch { InputIds = ids, Labels = ids.clone() };
        var plain = model.Loss(batch).item<float>();
        var shapes = new List<long[]>();
        var hook = model.Head.register_forward_hook((_, _, logits) =>
        {
            shapes.Add(logits.shape);
            return logits.mul(2);
        });
        var hooked = model.Loss(batch).item<float>();
        hook.remove();
        shapes.ShouldHaveSingleItem().ShouldBe([22, model.Head.Weight.size(0)]);
        hooked.ShouldNotBe(plain);
        model.Loss(batch).item<float>().ShouldBe(plain);
    }

    // A measure that torch differentiates.
    private sealed class LargestGap : RowMeasure
    {
        public override Tensor Values(Tensor logits, long start) => (logits.max(1).values - logits.min(1).values).unsqueeze(0);
    }

    [Fact]
    public void A_batch_without_labels_to_learn_has_loss_zero()
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromPretrained(Reference.Folder("llama"));
        using var batch = new Batch { InputIds = tensor(new long[,] { { 5, 6, 7 } }), Labels = full(1, 3, Batch.IgnoredLabel, ScalarType.Int64) };
        model.Loss(batch).item<float>().ShouldBe(0);
    }

    [Theory]
    [InlineData("regression", new[] { 0.5f, -1f, 2f, 0f })]
    [InlineData("multi_label_classification", new[] { 1f, 0f, 1f, 1f })]
    public void Other_problem_types_have_their_own_loss(string problem, float[] labels)
    {
        using var scope = NewDisposeScope();
        var target = tensor(labels).view(2, 2);
        var logits = tensor(new[,] { { 0.3f, -0.7f }, { 1.5f, 0.2f } });
        var expected = labels.Zip(logits.data<float>()).Average(pair => problem == "regression"
            ? Math.Pow(pair.Second - pair.First, 2)
            : Math.Log(1 + Math.Exp(pair.Second)) - pair.First * pair.Second);
        ClassificationLoss.Of(logits, target, problem, "").item<float>().ShouldBe((float)expected, 1e-6);
    }

    [Fact]
    public void The_stories_model_is_as_surprised_as_in_transformers()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var expected = JsonNode.Parse(File.ReadAllText(Path.Combine(Reference.Stories, "expected.json")))!;
        var tokenizer = Tokenizer.FromPretrained(Reference.Stories);
        foreach (var each in expected["nll"]!.AsArray())
        {
            var row = tensor(tokenizer.Encode(each!["text"]!.GetValue<string>(), addSpecialTokens: true).Select(id => (long)id).ToArray()).unsqueeze(0);
            model.Loss(new ModelInput { InputIds = row }, row).item<float>().ShouldBe(each["mean_nll"]!.GetValue<float>(), 1e-4);
        }
    }
}
