using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Layers with adapters of any method as nodes of the graph: their gradients are those that torch computes when each layer calls its modules one by one.</summary>
public class MethodNodeTests
{
    private const string Fields = """ "vocab_size": 30, "num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 4, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "hidden_act": "silu", "initializer_range": 0.2 """;

    // Small matrices, and matrices whose folded weights a trainer computes again in the backward pass.
    private const string Small = $$"""{ "model_type": "llama", "hidden_size": 64, "intermediate_size": 96, {{Fields}} }""", Large = $$"""{ "model_type": "llama", "hidden_size": 320, "intermediate_size": 384, {{Fields}} }""";

    // Its matrices are stored transposed, and have biases.
    private const string Gpt2 = """{ "model_type": "gpt2", "n_embd": 320, "n_head": 8, "n_layer": 2, "n_inner": 384, "n_positions": 64, "vocab_size": 30, "activation_function": "gelu_new", "initializer_range": 0.06, "resid_pdrop": 0, "attn_pdrop": 0, "embd_pdrop": 0 }""";

    // Their update is a low-rank product of computed factors.
    private static readonly Dictionary<string, string> Factored = new()
    {
        ["AdaLoRA"] = """{ "peft_type": "ADALORA", "target_modules": "all-linear", "init_r": 6, "target_r": 4, "total_step": 100, "orth_reg_weight": 1e-9 }""",
        ["BD-LoRA"] = """{ "peft_type": "LORA", "target_modules": "all-linear", "r": 8, "use_bdlora": { "target_modules_bd_a": ["o_proj", "down_proj"], "target_modules_bd_b": ["q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"], "nblocks": 2 } }""",
        ["DEFT"] = """{ "peft_type": "DEFT", "target_modules": "all-linear", "r": 4 }""",
        ["DeLoRA"] = """{ "peft_type": "DELORA", "target_modules": "all-linear", "r": 4 }""",
        ["HRA"] = """{ "peft_type": "HRA", "target_modules": "all-linear", "r": 4 }""",
        ["HRA, orthogonalized"] = """{ "peft_type": "HRA", "target_modules": "all-linear", "r": 4, "apply_GS": true }""",
        ["MiSS"] = """{ "peft_type": "MISS", "target_modules": "all-linear", "r": 6 }""",
        ["PEANuT"] = """{ "peft_type": "PEANUT", "target_modules": "all-linear", "r": 4 }""",
        ["PiSSA"] = """{ "peft_type": "LORA", "target_modules": "all-linear", "r": 4, "init_lora_weights": "pissa" }""",
        ["PSOFT"] = """{ "peft_type": "PSOFT", "target_modules": "all-linear", "r": 6 }""",
        ["TinyLoRA"] = """{ "peft_type": "TINYLORA", "target_modules": "all-linear", "r": 2 }""",
        ["Uni-LoRA"] = """{ "peft_type": "UNILORA", "target_modules": "all-linear", "r": 4 }""",
        ["VB-LoRA"] = """{ "peft_type": "VBLORA", "target_modules": "all-linear", "r": 4, "num_vectors": 16, "vector_length": 8 }""",
        ["VeRA"] = """{ "peft_type": "VERA", "target_modules": ["q_proj", "v_proj"], "r": 16 }""",
    };

    // Their update is folded into the weight.
    private static readonly Dictionary<string, string> Folded = new()
    {
        ["BOFT"] = """{ "peft_type": "BOFT", "target_modules": "all-linear", "boft_block_size": 4 }""",
        ["FourierFT"] = """{ "peft_type": "FOURIERFT", "target_modules": "all-linear", "n_frequency": 50 }""",
        ["HiRA"] = """{ "peft_type": "HIRA", "target_modules": "all-linear", "r": 4 }""",
        ["LoHa"] = """{ "peft_type": "LOHA", "target_modules": "all-linear", "r": 4 }""",
        ["LoRA of a high rank"] = """{ "peft_type": "LORA", "target_modules": "all-linear", "r": 70 }""",
        ["OSF"] = """{ "peft_type": "OSF", "target_modules": ["q_proj", "down_proj"], "effective_rank": 16 }""",
        ["RandLoRA"] = """{ "peft_type": "RANDLORA", "target_modules": ["q_proj", "v_proj"], "r": 4 }""",
        ["SHiRA"] = """{ "peft_type": "SHIRA", "target_modules": "all-linear", "r": 2 }""",
        ["two at once"] = """{ "peft_type": "LOHA", "target_modules": "all-linear", "r": 4 }""",
        ["WaveFT"] = """{ "peft_type": "WAVEFT", "target_modules": "all-linear", "n_frequency": 50 }""",
    };

    // Their factors scale inputs or outputs.
    private static readonly Dictionary<string, string> Scaling = new()
    {
        ["(IA)³"] = """{ "peft_type": "IA3", "target_modules": ["k_proj", "v_proj", "down_proj"], "feedforward_modules": ["down_proj"] }""",
        ["(IA)³ everywhere"] = """{ "peft_type": "IA3", "target_modules": "all-linear", "feedforward_modules": ["q_proj", "down_proj"] }""",
        ["DoRA"] = """{ "peft_type": "LORA", "target_modules": "all-linear", "r": 4, "use_dora": true }""",
        ["DoRA, rank-stabilized"] = """{ "peft_type": "LORA", "target_modules": ["q_proj", "gate_proj", "down_proj"], "r": 3, "use_dora": true, "use_rslora": true }""",
    };

    private static readonly Dictionary<string, string> Prefixes = new()
    {
        ["prefix"] = """{ "peft_type": "PREFIX_TUNING", "num_virtual_tokens": 3 }""",
        ["prefix by an MLP"] = """{ "peft_type": "PREFIX_TUNING", "num_virtual_tokens": 3, "prefix_projection": true, "encoder_hidden_size": 16 }""",
        ["cartridge"] = """{ "peft_type": "CARTRIDGE", "num_virtual_tokens": 5 }""",
    };

    public static TheoryData<string> Methods => [.. Factored.Keys, .. Folded.Keys, .. Scaling.Keys, .. Prefixes.Keys];

    [Theory, MemberData(nameof(Methods))]
    public void A_layer_is_a_node_with_the_gradients_of_its_modules(string method)
    {
        foreach (var config in new[] { Small, Large })
        {
            using var scope = NewDisposeScope();
            using var model = CausalLM.FromConfig(ModelConfig.Parse(config), seed: 3);
            model.train();
            using var peft = Adapt(model, method);
            TrainingNodeTests.Taken(model).ShouldBe((true, true));
            var nodes = Gradients(model, peft);
            Compare(nodes, Hooked(model, () => Gradients(model, peft)), peft);
            // Evaluation.
            model.eval();
            using var grad = no_grad();
            using var batch = Rows([0, 1, 2]);
            model.Loss(batch).item<float>().ShouldBe(Hooked(model, () => model.Loss(batch).item<float>()), 1e-5f);
        }
    }

    [Theory, MemberData(nameof(Methods))]
    public void Matrices_that_are_stored_transposed_make_no_difference(string method)
    {
        var options = Config(method);
        foreach (var (llama, gpt2) in new[] { ("q_proj", "c_attn"), ("k_proj", "c_attn"), ("v_proj", "c_attn"), ("o_proj", "c_proj"), ("gate_proj", "c_fc"), ("up_proj", "c_fc"), ("down_proj", "c_proj") }) options = options.Replace(llama, gpt2, StringComparison.Ordinal);
        using var model = CausalLM.FromConfig(ModelConfig.Parse(Gpt2), seed: 3);
        TrainsAsItsModules(model, method, options, parts: 1);
    }

    [Theory]
    [InlineData("DoRA")]
    [InlineData("VeRA")]
    [InlineData("(IA)³ everywhere")]
    public void Matrices_may_be_quantized(string method)
    {
        using var model = CausalLM.FromConfig(ModelConfig.Parse(Large), seed: 3);
        model.Quantize(QuantizationOptions.Nf4());
        TrainsAsItsModules(model, method, null, parts: 2);
    }

    [Theory, MemberData(nameof(Methods))]
    public void A_checkpointed_layer_has_the_same_gradients(string method)
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromConfig(ModelConfig.Parse(Large), seed: 3);
        model.train();
        using var peft = Adapt(model, method);
        var modules = Hooked(model, () => Gradients(model, peft));
        model.CheckpointActivations = true;
        Compare(Gradients(model, peft), modules, peft);
        Compare(Trained(peft, new() { ParallelParts = 1 }), modules, peft);
    }

    [Theory, MemberData(nameof(Methods))]
    public void A_trainer_has_the_same_gradients(string method)
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromConfig(ModelConfig.Parse(Large), seed: 3);
        model.train();
        using var peft = Adapt(model, method);
        var modules = Hooked(model, () => Gradients(model, peft));
        Compare(Trained(peft, new() { ParallelParts = 1 }), modules, peft);
        Compare(Trained(peft, new() { ParallelParts = 2 }), modules, peft);
        Compare(Trained(peft, new() { ParallelParts = 1, BatchSize = 1, GradientAccumulation = 3 }), modules, peft);
        Compare(Hooked(model, () => Trained(peft, new() { ParallelParts = 1 })), modules, peft);
    }

    // Each row has its own keys and values, of different lengths.
    [Fact]
    public void Rows_with_prefixes_of_their_own_have_the_outputs_of_each_alone()
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromConfig(ModelConfig.Parse(Small), seed: 3);
        using var peft = Adapt(model, "prefix");
        var first = peft.Adapters.Keys.Single();
        foreach (var (name, length) in new[] { ("same", 3), ("longer", 5) })
        {
            peft.Add(name, new PrefixTuningOptions { VirtualTokens = length });
            peft.Activate(name);
            Disturb(peft);
        }
        model.eval();
        using var grad = no_grad();
        var ids = Rows([0, 1]).InputIds!;
        foreach (var second in new[] { "same", "longer" })
        {
            Tensor both;
            using (peft.Rows([first, second])) both = model.forward(ids);
            foreach (var (name, row) in new[] { (first, 0), (second, 1) })
            {
                peft.Activate(name);
                both.narrow(0, row, 1).RelativeDifference(model.forward(ids.narrow(0, row, 1))).ShouldBeLessThan(1e-5, $"{second}: {name}");
            }
        }
    }

    // The prefix of an encoder, whose positions attend to later ones too, with padding.
    [Fact]
    public void An_encoder_with_a_prefix_is_a_node_with_the_gradients_of_its_modules()
    {
        using var scope = NewDisposeScope();
        using var model = MaskedLM.FromConfig(ModelConfig.FromFolder(Reference.Folder("bert-mlm")).With("vocab_size", 30).With("initializer_range", 0.3), seed: 3);
        using var peft = model.ApplyAdapter(AdapterConfig.Parse(Prefixes["prefix"]));
        Disturb(peft);
        model.eval();   // without dropout
        var nodes = Gradients(model, peft);
        using var hooks = new SilentHooks(model.Backbone);
        Compare(nodes, Gradients(model, peft), peft);
    }

    // Before its invocation, activated LoRA does nothing, whatever it drops.
    [Fact]
    public void Activated_lora_with_dropout_acts_only_after_its_invocation()
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromConfig(ModelConfig.Parse(Small), seed: 3);
        model.train();
        var ids = tensor(new long[] { 5, 6, 7, 8, 9, 10, 11, 12 }, [1L, 8L]);
        var plain = model.forward(ids).detach();
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, TargetModules = "all-linear", AloraInvocationTokens = [9, 10], Dropout = 0.25 });
        Disturb(peft);
        var adapted = model.forward(ids);
        adapted.narrow(1, 0, 4).RelativeDifference(plain.narrow(1, 0, 4)).ShouldBeLessThan(1e-6);
        adapted.narrow(1, 4, 4).RelativeDifference(plain.narrow(1, 4, 4)).ShouldBeGreaterThan(1e-2);
    }

    // As one node, alone and in a trainer.
    private static void TrainsAsItsModules(CausalLM model, string method, string? options, int parts)
    {
        using var scope = NewDisposeScope();
        model.train();
        using var peft = Adapt(model, method, options);
        TrainingNodeTests.Taken(model).ShouldBe((true, true));
        var modules = Hooked(model, () => Gradients(model, peft));
        Compare(Gradients(model, peft), modules, peft);
        Compare(Trained(peft, new() { ParallelParts = parts }), modules, peft);
    }

    private static string Config(string method) => Factored.GetValueOrDefault(method) ?? Folded.GetValueOrDefault(method) ?? Scaling.GetValueOrDefault(method) ?? Prefixes[method];

    private static PeftModel Adapt(CausalLM model, string method, string? options = null)
    {
        var peft = model.ApplyAdapter(AdapterConfig.Parse(options ?? Config(method)));
        Disturb(peft);
        if (method != "two at once") return peft;
        peft.Add("other", AdapterConfig.Parse(Folded["HiRA"]));
        peft.Activate(peft.Adapters.Keys.First(), "other");
        Disturb(peft);
        return peft;
    }

    private static void Disturb(PeftModel peft)
    {
        manual_seed(5);
        using var grad = no_grad();
        foreach (var tensor in peft.Trainables) tensor.Value.add_(randn_like(tensor.Value) * 0.05f);
    }

    private static T Hooked<T>(PretrainedModel model, Func<T> run)
    {
        using var hooks = new SilentHooks(model.Backbone);
        return run();
    }

    private static Dictionary<string, Tensor> Gradients(PretrainedModel model, PeftModel peft)
    {
        foreach (var trained in peft.Trainables) trained.Value.grad = null;
        using var batch = Rows([0, 1, 2]);
        model.Loss(batch).backward();
        return peft.Trainables.Where(trained => trained.Value.grad is not null).ToDictionary(trained => trained.Name, trained => trained.Value.grad!.clone());
    }

    // A step of gradient descent subtracts the gradients.
    private static Dictionary<string, Tensor> Trained(PeftModel peft, TrainingOptions options)
    {
        var before = peft.Trainables.ToDictionary(trained => trained.Name, trained => trained.Value.detach().clone());
        options = options with { BatchSize = options.BatchSize == 1 ? 1 : 3, MaxSteps = 1, LearningRate = 1, MaxGradientNorm = null, Schedule = LearningRateSchedule.Constant, Optimizer = new SgdOptions() };
        new Trainer(peft, TrainingDataset.From(3, Rows), options).Train();
        var gradients = peft.Trainables.ToDictionary(trained => trained.Name, trained => before[trained.Name] - trained.Value.detach());
        using var grad = no_grad();
        foreach (var trained in peft.Trainables) trained.Value.copy_(before[trained.Name]);
        return gradients;
    }

    // Some gradients are sums of numbers that nearly cancel: the difference is small among those of the adapter.
    private static void Compare(Dictionary<string, Tensor> actual, Dictionary<string, Tensor> expected, PeftModel peft)
    {
        actual.Keys.Order().ShouldBe(expected.Keys.Order());
        expected.Count.ShouldBe(peft.Trainables.Count);
        var largest = expected.Values.Max(each => each.abs().max().item<float>());
        largest.ShouldBeGreaterThan(0);
        foreach (var (name, value) in expected) (actual[name] - value).abs().max().item<float>().ShouldBeLessThan(5e-5f * largest, name);
    }

    // The last row is padded.
    private static Batch Rows(IReadOnlyList<int> rows)
    {
        var all = new long[] { 5, 1, 3, 2, 9, 14, 7, 8, 7, 4, 11, 6, 21, 19, 18, 3, 12, 13, 14, 6, 2, 0, 0, 0 };
        var (ids, index) = (tensor(all, [3L, 8L]), tensor(rows.Select(row => (long)row).ToArray()));
        var some = ids.index_select(0, index);
        var real = some.ne(0);
        var counted = (int)real.narrow(1, 1, 7).sum().item<long>();
        return new() { InputIds = some, Labels = where(real, some, -100), AttentionMask = real.to_type(ScalarType.Int64), Weight = counted, Tokens = counted };
    }
}
