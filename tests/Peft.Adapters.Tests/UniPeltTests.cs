using Peft.Models;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Adapters.Tests;

/// <summary>A prefix, bottlenecks and LoRA with gates, in float64.</summary>
public sealed class UniPeltTests : IDisposable
{
    // Sums in another order, and exponentials of them.
    private const double Exact = 1e-9;

    private static readonly LoadOptions Double = new() { Dtype = ScalarType.Float64 };

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tensor ids = tensor(new long[,] { { 5, 6, 7, 8, 9, 10 }, { 11, 4, 7, 30, 2, 1 } });

    public UniPeltTests() => manual_seed(5);

    public void Dispose() => scope.Dispose();

    private static ModelConfig Llama(int layers) => ModelConfig.Parse($$"""
        { "model_type": "llama", "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": {{layers}}, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.4 }
        """);

    private static readonly ModelConfig Bert = ModelConfig.Parse("""
        { "model_type": "bert", "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 4, "max_position_embeddings": 64, "type_vocab_size": 2, "initializer_range": 0.4 }
        """);

    private static readonly ModelConfig Gpt2 = ModelConfig.Parse("""
        { "model_type": "gpt2", "vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 64, "initializer_range": 0.4 }
        """);

    private static CausalLM Model(int layers = 2) => CausalLM.FromConfig(Llama(layers), seed: 3, Double);

    private static PeftModel Adapt(CausalLM model)
    {
        var peft = model.ApplyUniPelt(virtualTokens: 3, encoderSize: 6, reductionFactor: 4, rank: 2);
        peft.Shake(0.5);
        return peft;
    }

    private static Tensor Logits(CausalLM model, ModelInput input)
    {
        using var _ = no_grad();
        return model.forward(input);
    }

    [Fact]
    public void The_gate_of_a_prefix_scales_its_keys_and_values_for_each_position_by_what_it_sees()
    {
        using var model = Model(layers: 1);
        Tensor gated, keys, values, open;
        using (var peft = model.ApplyAdapter(new PrefixTuningOptions { VirtualTokens = 3, UseGating = true }))
        {
            peft.Shake(1);
            gated = Logits(model, new ModelInput { InputIds = ids });
            (keys, values) = Prefix(peft, heads: 2);
            open = Open(peft, Normed(model));
        }
        foreach (var position in Enumerable.Range(0, 6))
        {
            // In a model of one layer the gates of other positions show nowhere.
            var gate = open.narrow(1, 0, position + 1).mean([1]).view(-1, 1, 1, 1);
            var plain = Logits(model, new ModelInput { InputIds = ids, Prefix = [new KeyValuePrefix(keys * gate, values * gate)], PositionIds = arange(3, 9).unsqueeze(0) });
            gated.select(1, position).Difference(plain.select(1, position)).ShouldBeLessThan(Exact);
        }
    }

    [Fact]
    public void In_an_encoder_the_gate_is_the_mean_over_the_whole_text_without_its_padding()
    {
        using var model = MaskedLM.FromConfig(Bert, seed: 3, Double);
        using var _ = no_grad();
        var mask = tensor(new long[,] { { 1, 1, 1, 1, 1, 1 }, { 1, 1, 1, 1, 0, 0 } });
        Tensor gated, keys, values, open;
        using (var peft = model.ApplyAdapter(new PrefixTuningOptions { VirtualTokens = 3, UseGating = true }))
        {
            peft.Shake(1);
            gated = model.forward(new ModelInput { InputIds = ids, AttentionMask = mask });
            (keys, values) = Prefix(peft, heads: 4);
            var sum = Weight(model, "bert.embeddings.word_embeddings.weight").index_select(0, ids.view(-1)).view(2, 6, 16)
                + Weight(model, "bert.embeddings.position_embeddings.weight").narrow(0, 3, 6) + Weight(model, "bert.embeddings.token_type_embeddings.weight")[0];
            var embedded = nn.functional.layer_norm(sum, [16], Weight(model, "bert.embeddings.LayerNorm.weight"), Weight(model, "bert.embeddings.LayerNorm.bias"), eps: 1e-12);
            open = Open(peft, embedded);
        }
        var gate = ((open * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim: true)).view(-1, 1, 1, 1);
        var plain = model.forward(new ModelInput { InputIds = ids, AttentionMask = mask, Prefix = [new KeyValuePrefix(keys * gate, values * gate)] });
        gated.Difference(plain).ShouldBeLessThan(Exact);
    }

    [Fact]
    public void The_gate_of_LoRA_is_its_scaling()
    {
        using var model = nn.Sequential(nn.Linear(6, 4)).to(ScalarType.Float64);
        using var peft = model.ApplyAdapter(new GatedLoraOptions { Rank = 2, TargetModules = "0" });
        peft.Shake(1);
        var x = randn(3, 5, 6, dtype: ScalarType.Float64);
        var state = peft.StateOf(peft.Find("default"));
        Tensor Find(string name) => state[$"base_model.model.0.{name}"];
        var gate = (x.matmul(Find("gate.weight").t()) + Find("gate.bias")).sigmoid().mean([1], keepdim: true);
        var expected = nn.functional.linear(x, model.get_parameter("0.weight")!, model.get_parameter("0.bias")) + gate * x.matmul(Find("lora_A").t()).matmul(Find("lora_B").t());
        model.call(x).Difference(expected).ShouldBeLessThan(1e-12);
        peft.ShouldHaveRightGradients(() => model.call(x).square().mean());
        Should.Throw<NotMergeableException>(() => peft.Merge());
    }

    [Fact]
    public void Closed_gates_leave_a_prefix_of_zeros_and_open_ones_the_parts_without_gates()
    {
        using var model = Model();
        Tensor closed, open, zeros, parts;
        IReadOnlyDictionary<string, Tensor> state;
        using (var peft = Adapt(model))
        {
            Set(peft, -1e3);
            closed = Logits(model, new ModelInput { InputIds = ids });
            Set(peft, 1e3);
            open = Logits(model, new ModelInput { InputIds = ids });
            state = peft.StateOf(peft.Find("default")).ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        }
        using (model.ApplyPrefixTuning(virtualTokens: 3)) zeros = Logits(model, new ModelInput { InputIds = ids });
        closed.Difference(zeros).ShouldBeLessThan(Exact);

        var plain = new UnionOptions { Parts = [new PrefixTuningOptions { VirtualTokens = 3 }, BottleneckOptions.Pfeiffer with { ReductionFactor = 4 }] };
        using (no_grad())
        {
            foreach (var key in state.Keys.Where(key => key.EndsWith("lora_A", StringComparison.Ordinal)))
                model.get_parameter(key["base_model.model.".Length..^".lora_A".Length] + ".weight")!.add_(state[key[..^1] + "B"].mm(state[key]));
            using var peft = ((nn.Module)model).ApplyAdapter(plain);
            foreach (var (key, tensor) in peft.Find("default").Tensors.Where(pair => pair.Tensor.IsSaved)) tensor.Value.copy_(state[key]);
            parts = Logits(model, new ModelInput { InputIds = ids });
        }
        open.Difference(parts).ShouldBeLessThan(Exact);
        open.Difference(closed).ShouldBeGreaterThan(1e-2);

        static void Set(PeftModel peft, double offset)
        {
            using var _ = no_grad();
            foreach (var (key, tensor) in peft.Find("default").Tensors.Where(pair => pair.Key.Contains("gate", StringComparison.Ordinal)))
                if (key.EndsWith("bias", StringComparison.Ordinal)) tensor.Value.fill_(offset);
        }
    }

    [Fact]
    public void All_of_it_has_the_gradients_of_finite_differences_and_nothing_sees_ahead()
    {
        // Llama's norms compute in float32, too coarse for differences.
        using var model = CausalLM.FromConfig(Gpt2, seed: 3, Double);
        using var peft = Adapt(model);
        peft.ShouldHaveRightGradients(() => model.call(ids).square().mean());
        peft.Trainables.ShouldAllBe(tensor => tensor.Value.grad!.abs().max().item<double>() > 0);
        foreach (var part in new[] { "prefix_gates.1.weight", "h.0.mlp.c_proj.gate.weight", "h.1.attn.c_attn.gate.bias", "h.0.attn.c_attn.lora_B" })
            peft.Trainables.ShouldContain(tensor => tensor.Name.EndsWith(part, StringComparison.Ordinal));
        var changed = ids.clone();
        changed[0, 4] = 33;
        var (before, after) = (Logits(model, new ModelInput { InputIds = ids }), Logits(model, new ModelInput { InputIds = changed }));
        before[.., ..4].Difference(after[.., ..4]).ShouldBe(0, Exact);
        before[0, 4].Difference(after[0, 4]).ShouldBeGreaterThan(1e-3);
    }

    [Fact]
    public void It_comes_back_from_its_file_bit_for_bit()
    {
        using var folder = new TemporaryFolder();
        using var model = Model();
        using var peft = Adapt(model);
        peft.SaveAdapter(folder);
        using var other = Model();
        using var loaded = other.ApplyAdapter(folder);
        loaded.SavedBits().ShouldBeBits(peft.SavedBits());
        loaded.SavedBits().Keys.ShouldContain("prefix_gates.0.weight");
        Logits(model, new ModelInput { InputIds = ids }).Difference(Logits(other, new ModelInput { InputIds = ids })).ShouldBe(0, Exact);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_cache_changes_nothing(bool perRow)
    {
        using var model = Model();
        using var peft = Adapt(model);
        peft.Add("other", UniPeltExtensions.Options(3, 6, 4, 2));
        peft.Activate("other");
        peft.Shake(0.5);
        peft.Activate("default");
        using var rows = perRow ? peft.Rows("other", "default") : null;
        var mask = tensor(new long[,] { { 1, 1, 1, 1, 1, 1 }, { 0, 0, 1, 1, 1, 1 } });   // padded on the left, as in generation
        var whole = Logits(model, new ModelInput { InputIds = ids, AttentionMask = mask });
        using var cache = new KeyValueCache();
        var start = 0;
        foreach (var length in new[] { 3, 1, 2 })
        {
            if (start == 4)
            {
                // A token that is taken back leaves nothing behind.
                Logits(model, new ModelInput { InputIds = ids.narrow(1, 0, 1), AttentionMask = mask.narrow(1, 0, 5), Cache = cache });
                cache.Truncate(cache.Length - 1);
            }
            var part = Logits(model, new ModelInput { InputIds = ids.narrow(1, start, length), AttentionMask = mask.narrow(1, 0, start + length), Cache = cache });
            part.Difference(whole.narrow(1, start, length)).ShouldBeLessThan(Exact);
            start += length;
        }
    }

    [Fact]
    public void Generation_gives_the_tokens_of_passes_without_a_cache()
    {
        using var model = Model();
        using var peft = Adapt(model);
        IReadOnlyList<int>[] prompts = [[5, 17, 30], [9, 33, 12, 7, 20]];
        var together = model.Generate(prompts, new GenerationOptions { MaxNewTokens = 8, MinNewTokens = 8, DoSample = false });
        foreach (var (prompt, added) in prompts.Zip(together)) added.ShouldBe(Greedy(prompt, 8));

        // Beams exchange what the cache holds: the sum of log-probabilities by whole passes is at least that of the greedy text.
        var beams = model.Generate(prompts[1], new GenerationOptions { MaxNewTokens = 8, MinNewTokens = 8, DoSample = false, NumBeams = 4 });
        Score(prompts[1], beams).ShouldBeGreaterThanOrEqualTo(Score(prompts[1], together[1]) - Exact);

        List<int> Greedy(IReadOnlyList<int> prompt, int count)
        {
            var text = prompt.Select(id => (long)id).ToList();
            for (var i = 0; i < count; i++) text.Add(Logits(model, new ModelInput { InputIds = tensor(text.ToArray()).unsqueeze(0) })[0, -1].argmax().item<long>());
            return [.. text.Skip(prompt.Count).Select(id => (int)id)];
        }

        double Score(IReadOnlyList<int> prompt, IReadOnlyList<int> added)
        {
            var text = tensor(prompt.Concat(added).Select(id => (long)id).ToArray()).unsqueeze(0);
            var shares = Logits(model, new ModelInput { InputIds = text }).log_softmax(-1);
            return Enumerable.Range(prompt.Count, added.Count).Sum(i => shares[0, i - 1, added[i - prompt.Count]].item<double>());
        }
    }

    // σ(w·x + c) of the first layer's gate.
    private static Tensor Open(PeftModel peft, Tensor x)
    {
        var state = peft.StateOf(peft.Find("default"));
        return (x.matmul(state["prefix_gates.0.weight"].t()) + state["prefix_gates.0.bias"]).sigmoid();
    }

    private static (Tensor Keys, Tensor Values) Prefix(PeftModel peft, int heads)
    {
        var flat = peft.StateOf(peft.Find("default"))["prompt_embeddings"].clone().view(3, 2, heads, 4).permute(1, 2, 0, 3);   // [2, heads, tokens, size]
        return (flat.narrow(0, 0, 1), flat.narrow(0, 1, 1));
    }

    private Tensor Normed(CausalLM model)
    {
        using var _ = no_grad();
        var norm = (nn.Module<Tensor, Tensor>)model.named_modules().Single(pair => pair.name == "model.layers.0.input_layernorm").module;
        return norm.call(Weight(model, "model.embed_tokens.weight").index_select(0, ids.view(-1)).view(2, 6, 16));
    }

    private static Parameter Weight(nn.Module model, string name) => model.get_parameter(name)!;
}
