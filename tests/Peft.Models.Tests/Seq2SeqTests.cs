using System.Text.Json.Nodes;
using Peft.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>T5: ways to run the same tokens that must agree, generation, and its head.</summary>
public sealed class Seq2SeqTests : IDisposable
{
    // Float32 sums in another order, through four layers.
    private const double Tolerance = 1e-5;

    private static readonly GenerationOptions Greedy = new() { DoSample = false };

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string> Bases => ["t5", "t5-gated"];

    private static Tensor Ids(params long[] ids) => tensor(ids).unsqueeze(0);

    private static Seq2SeqLM Load(string name) => Seq2SeqLM.FromPretrained(Reference.Folder(name));

    [Theory, MemberData(nameof(Bases))]
    public void Greedy_generation_gives_the_tokens_of_transformers(string name)
    {
        using var scope = NewDisposeScope();
        using var model = Load(name);
        var values = Reference.Values(name);
        var expected = values["generated_ids"].Ids();
        model.Generate(values["input_ids"].narrow(0, 0, 1), Greedy with { MaxNewTokens = 12 }).Ids().ShouldBe(expected);
    }

    [Theory, MemberData(nameof(Bases))]
    public void Sources_in_a_batch_are_answered_as_each_alone(string name)
    {
        using var model = Load(name);
        IReadOnlyList<int>[] prompts = [[5, 17, 40, 8, 33], [9, 60], [44, 12, 7, 71, 3, 80, 21, 90]];
        // Without a penalty the tiny model says the same token again and again.
        var options = Greedy with { MaxNewTokens = 9, EndTokenIds = [], RepetitionPenalty = 3 };
        var together = model.Generate(prompts, options);
        for (var i = 0; i < prompts.Length; i++) together[i].ShouldBe(model.Generate(prompts[i], options));
        together[0].Distinct().Count().ShouldBeGreaterThan(3);
    }

    [Theory, MemberData(nameof(Bases))]
    public void A_cache_and_encoder_states_change_nothing(string name)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = Load(name);
        var source = new ModelInput { InputIds = cat([Ids(5, 17, 40, 8, 33), Ids(9, 60, 0, 0, 0)], 0), AttentionMask = cat([Ids(1, 1, 1, 1, 1), Ids(1, 1, 0, 0, 0)], 0) };
        var target = cat([Ids(0, 61, 25, 70, 11, 54), Ids(0, 3, 2, 90, 8, 7)], 0);
        var whole = model.forward(source with { DecoderInputIds = target });

        using var cache = new KeyValueCache(capacity: 2);
        var read = new ModelInput { EncoderOutput = model.Encode(source), AttentionMask = source.AttentionMask, Cache = cache };
        var parts = new List<Tensor>();
        foreach (var (start, length) in new[] { (0, 2), (2, 3), (5, 1) }) parts.Add(model.forward(read with { DecoderInputIds = target.narrow(1, start, length) }));
        cat(parts, 1).Difference(whole).ShouldBeLessThan(Tolerance);

        var alone = model.forward(new ModelInput { InputIds = Ids(9, 60), DecoderInputIds = target.narrow(0, 1, 1) });
        whole.narrow(0, 1, 1).Difference(alone).ShouldBeLessThan(Tolerance);
    }

    [Fact]
    public void A_prefix_of_keys_and_values_is_what_a_cache_would_hold()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = Load("t5");
        var spec = model.Spec;
        manual_seed(3);
        var prefix = Enumerable.Range(0, spec.LayerCount).Select(_ => new KeyValuePrefix(randn(1, spec.HeadCount, 4, spec.HeadSize), randn(1, spec.HeadCount, 4, spec.HeadSize))).ToArray();
        var input = new ModelInput { InputIds = Ids(5, 17, 40), DecoderInputIds = Ids(0, 61, 25, 70), Prefix = prefix };
        var whole = model.forward(input);

        using var cache = new KeyValueCache();
        var start = model.forward(input with { DecoderInputIds = Ids(0, 61), Cache = cache });
        var end = model.forward(input with { DecoderInputIds = Ids(25, 70), Cache = cache });
        cat([start, end], 1).Difference(whole).ShouldBeLessThan(Tolerance);
        model.forward(input with { Prefix = null }).Difference(whole).ShouldBeGreaterThan(1e-3);
    }

    [Fact]
    public void Labels_are_shifted_right_behind_the_start_token()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = Load("t5");
        var labels = Ids(7, 8, -100, 9, -100);
        model.ShiftRight(labels).Ids().ShouldBe([0, 7, 8, 0, 9]);
        var input = new ModelInput { InputIds = Ids(5, 17, 40) };
        var scores = nn.functional.log_softmax(model.forward(input with { DecoderInputIds = model.ShiftRight(labels) }), 2);
        model.Loss(input, labels).item<float>().ShouldBe(-(scores[0, 0, 7] + scores[0, 1, 8] + scores[0, 3, 9]).item<float>() / 3, 1e-5);
        model.Loss(input, full_like(labels, Batch.IgnoredLabel)).item<float>().ShouldBe(0);
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var scope = NewDisposeScope();
        using var model = Load("t5");
        Should.Throw<ArgumentException>(() => model.forward(Ids(5, 17))).Message.ShouldContain("DecoderInputIds");
        Should.Throw<ArgumentException>(() => model.forward(new ModelInput { InputIds = Ids(5, 17), AttentionMask = Ids(1), DecoderInputIds = Ids(0) })).Message.ShouldContain("[1, 1]");
        Should.Throw<ArgumentException>(() => model.Loss(new ModelInput { InputIds = Ids(5, 17), PackedLengths = [1, 1] }, Ids(5, 6))).Message.ShouldContain("packed");
        Should.Throw<ArgumentException>(() => model.Generate([500])).Message.ShouldContain("500");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_head_is_the_checkpoints_own_where_it_has_one(bool newer)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        // As T5 1.1 is published, and as newer versions of transformers write it.
        var config = ModelConfig.FromFolder(Reference.Folder("t5-gated"));
        config = newer ? config : config.With("tie_word_embeddings", false).With("scale_decoder_outputs", null);
        File.WriteAllText(folder["config.json"], config.ToString());
        using var files = ShardedCheckpoint.Open(Reference.Folder("t5-gated"));
        var tensors = files.Tensors.Keys.ToDictionary(key => key, key => files.Read(key));
        tensors["lm_head.weight"] = tensors["shared.weight"] * 2;
        tensors["encoder.embed_tokens.weight"] = tensors["shared.weight"];
        SafetensorsWriter.Write(folder["model.safetensors"], tensors);

        using var tied = Load("t5-gated");
        using var apart = Seq2SeqLM.FromPretrained(folder);
        var input = new ModelInput { InputIds = Ids(5, 17, 40), DecoderInputIds = Ids(0, 61) };
        apart.forward(input).Difference(tied.forward(input) * 2).ShouldBeLessThan(Tolerance);
        apart.TiedParameters.ShouldBeEmpty();
        tied.TiedParameters.ShouldBe(["lm_head.weight"]);
    }

    [Fact]
    public void Distances_beyond_the_largest_share_a_bucket()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var both = new RelativeBias(new(32, 128), 1, causal: false, new(ScalarType.Float32, CPU));
        var past = new RelativeBias(new(32, 128), 1, causal: true, new(ScalarType.Float32, CPU));
        foreach (var bias in new[] { both, past }) bias.Table.Weight.copy_(arange(32, ScalarType.Float32).unsqueeze(1));   // tells the bucket
        long[] Buckets(RelativeBias bias, int query, params int[] distances)
        {
            var row = bias.Of(0, 301, ScalarType.Float32)[0, 0, query];
            return [.. distances.Select(distance => (long)row[query + distance].item<float>())];
        }

        // Worked out from the paper's rule: exact up to 8 (16 where only the past is seen), then by the logarithm up to 128.
        Buckets(both, 150, 0, -1, -7, -8, -11, -12, -127, -128, -150).ShouldBe([0, 1, 7, 8, 8, 9, 15, 15, 15]);
        Buckets(both, 150, 1, 7, 8, 12, 128, 150).ShouldBe([17, 23, 24, 25, 31, 31]);
        Buckets(past, 300, 0, -1, -15, -16, -18, -19, -127, -128, -300).ShouldBe([0, 1, 15, 16, 16, 17, 31, 31, 31]);
    }
}
