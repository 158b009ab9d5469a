using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Ways to run the same tokens that must agree.</summary>
public class ForwardTests
{
    // Float32 sums in another order, through two layers.
    private const double Tolerance = 1e-5;

    public static TheoryData<string> Bases => GenerationTests.Bases;

    private static Tensor Ids(params long[] ids) => tensor(ids).unsqueeze(0);

    [Theory, MemberData(nameof(Bases))]
    public void Left_padding_changes_nothing(string name)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = CausalLM.FromPretrained(Reference.Folder(name));
        var plain = model.forward(Ids(5, 17, 40, 8, 33, 61, 25, 70));
        var padded = model.forward(new ModelInput
        {
            InputIds = Ids(0, 0, 0, 5, 17, 40, 8, 33, 61, 25, 70),
            AttentionMask = Ids(0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1),
        });
        padded.narrow(1, 3, 8).Difference(plain).ShouldBeLessThan(Tolerance);
    }

    // A diverged weight must not look like a model that works.
    [Theory]
    [InlineData("q_proj", float.NaN)]
    [InlineData("k_proj", float.NaN)]
    [InlineData("q_proj", float.PositiveInfinity)]
    [InlineData("k_proj", float.NegativeInfinity)]
    public void Weights_that_are_not_finite_show(string module, float value)
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromPretrained(Reference.Folder("llama"));
        using (no_grad()) model.get_parameter($"model.layers.0.self_attn.{module}.weight")![0, 0] = value;
        foreach (var length in new[] { 1, 4, 40 })
        {
            var ids = Ids([.. Enumerable.Range(3, length).Select(id => (long)id)]);
            model.forward(ids).isnan().any().item<bool>().ShouldBeTrue($"{length} tokens, for training");
            model.Loss(new ModelInput { InputIds = cat([ids, ids], 1) }, cat([ids, ids], 1)).isnan().item<bool>().ShouldBeTrue($"the loss of {2 * length} tokens");
            using var grad = no_grad();
            model.forward(ids).isnan().any().item<bool>().ShouldBeTrue($"{length} tokens");
            using var cache = new KeyValueCache(capacity: 64);
            model.forward(new ModelInput { InputIds = ids, Cache = cache });
            model.forward(new ModelInput { InputIds = Ids(7), Cache = cache }).isnan().any().item<bool>().ShouldBeTrue($"a decode step after {length} tokens");
        }
    }

    [Theory, MemberData(nameof(Bases))]
    public void A_cache_changes_nothing(string name)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = CausalLM.FromPretrained(Reference.Folder(name));
        var ids = Ids(5, 17, 40, 8, 33, 61, 25, 70, 11, 54);
        var whole = model.forward(ids);
        using var cache = new KeyValueCache(capacity: 2);
        var parts = new List<Tensor>();
        foreach (var (start, length) in new[] { (0, 3), (3, 4), (7, 1), (8, 1), (9, 1) })
            parts.Add(model.forward(new ModelInput { InputIds = ids.narrow(1, start, length), Cache = cache }));
        cat(parts, 1).Difference(whole).ShouldBeLessThan(Tolerance);
        cache.Length.ShouldBe(10);
    }

    [Theory, MemberData(nameof(Bases))]
    public void Packed_sequences_do_not_see_each_other(string name)
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromPretrained(Reference.Folder(name));
        var (first, second, third) = (Ids(5, 17, 40, 8, 33, 61, 25, 70), Ids(9, 4), Ids(51, 22, 13, 4, 95));
        var packed = new ModelInput { InputIds = cat([first, second, third], 1), PackedLengths = [8, 2, 5] };
        Tensor[] apart = [model.forward(first), model.forward(second), model.forward(third)];

        model.forward(packed).Difference(cat(apart, 1)).ShouldBeLessThan(Tolerance);

        var losses = new[] { (first, 7), (second, 1), (third, 4) }
            .Sum(pair => model.Loss(new ModelInput { InputIds = pair.Item1 }, pair.Item1).item<float>() * pair.Item2);
        model.Loss(packed, packed.InputIds).item<float>().ShouldBe(losses / 12, 1e-5);
    }

    [Theory, MemberData(nameof(Bases))]
    public void A_prefix_of_keys_and_values_is_what_a_cache_would_hold(string name)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = CausalLM.FromPretrained(Reference.Folder(name));
        var spec = model.Spec;
        manual_seed(3);
        var prefix = Enumerable.Range(0, spec.LayerCount).Select(_ => new KeyValuePrefix(
            randn(1, spec.KeyValueHeadCount, 4, spec.HeadSize), randn(1, spec.KeyValueHeadCount, 4, spec.HeadSize))).ToArray();
        var ids = Ids(5, 17, 40, 8, 33);
        var whole = model.forward(new ModelInput { InputIds = ids, Prefix = prefix });

        using var cache = new KeyValueCache();
        var start = model.forward(new ModelInput { InputIds = ids.narrow(1, 0, 2), Prefix = prefix, Cache = cache });
        var end = model.forward(new ModelInput { InputIds = ids.narrow(1, 2, 3), Prefix = prefix, Cache = cache });

        cat([start, end], 1).Difference(whole).ShouldBeLessThan(Tolerance);
        model.forward(ids).Difference(whole).ShouldBeGreaterThan(0.01);
    }

    // As transformers does since version 5, Gemma scales what it looks up, and leaves given embeddings alone.
    [Fact]
    public void Embeddings_stand_in_for_ids()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = CausalLM.FromPretrained(Reference.Folder("gemma"));
        var ids = Ids(5, 17, 40);
        model.forward(new ModelInput { Embeddings = model.InputEmbeddings.call(ids).mul(model.Spec.EmbeddingScale) }).Difference(model.forward(ids)).ShouldBe(0);
    }

    [Fact]
    public void A_tied_model_stays_tied_when_it_changes_type()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = CausalLM.FromPretrained(Reference.Folder("llama3"));
        var ids = Ids(5, 17, 40);
        var before = model.forward(ids);
        model.to(float64);
        model.Head.Weight.Handle.ShouldBe(model.InputEmbeddings.Weight.Handle);
        model.forward(ids).Difference(before).ShouldBeLessThan(Tolerance);
    }

    [Fact]
    public void Dropout_acts_in_training_only()
    {
        using var scope = NewDisposeScope();
        var config = ModelConfig.FromFolder(Reference.Folder("gpt2")).With("resid_pdrop", 0.5).With("attn_pdrop", 0.5).With("embd_pdrop", 0.5);
        using var model = CausalLM.FromConfig(config);
        var ids = Ids(5, 17, 40);
        model.forward(ids).Difference(model.forward(ids)).ShouldBe(0);
        model.train();
        model.forward(ids).Difference(model.forward(ids)).ShouldBeGreaterThan(0);
    }
}
