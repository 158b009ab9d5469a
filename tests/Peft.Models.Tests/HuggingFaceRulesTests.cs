using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Rules of Hugging Face PEFT for fields of a configuration, beyond the cases that its own results cover.</summary>
public sealed class HuggingFaceRulesTests : IDisposable
{
    private readonly CausalLM model = CausalLM.FromPretrained(Reference.Folder("llama"));
    private readonly TorchSharp.DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        model.Dispose();
    }

    private PeftModel Apply(string json) => model.ApplyAdapter(AdapterConfig.Parse(json));

    private static Dictionary<string, long[]> Shapes(PeftModel peft, string part) => peft.StateOf(peft.Find("default")).Where(pair => pair.Key.Contains(part, StringComparison.Ordinal)).ToDictionary(pair => pair.Key, pair => pair.Value.shape);

    // Patterns match the path of a parameter, not that of its module.
    [Fact]
    public void Ranks_and_alphas_of_parameters_follow_from_their_own_paths()
    {
        using var peft = Apply("""{ "peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["o_proj"], "target_parameters": ["q_proj.weight", "mlp.up_proj.weight"], "rank_pattern": { "q_proj": 2, "up_proj.weight": 3 }, "alpha_pattern": { "up_proj.weight": 6 } }""");
        Shapes(peft, "q_proj.lora_A").Values.ShouldAllBe(shape => shape[0] == 4);
        Shapes(peft, "up_proj.lora_A").Values.ShouldAllBe(shape => shape[0] == 3);
        Shapes(peft, "o_proj.lora_A").Values.ShouldAllBe(shape => shape[0] == 4);
        using (var folder = new TemporaryFolder())
        {
            peft.SaveAdapter(folder);
            using var loaded = CausalLM.FromPretrained(Reference.Folder("llama"));
            using var again = loaded.ApplyAdapter(folder);
            Shapes(again, "lora_A").Count.ShouldBe(Shapes(peft, "lora_A").Count);
        }
    }

    [Theory]
    [InlineData("""["k_proj", "mlp.down_proj"]""", "null", "down_proj")]
    [InlineData("""["k_proj", "down_proj"]""", "null", "down_proj")]
    [InlineData("\"all-linear\"", "null", "down_proj")]
    [InlineData("""["k_proj", "down_proj"]""", """["wn_proj"]""", "down_proj")]   // a name need not begin where a part of the path begins
    [InlineData("""["k_proj", "q_proj"]""", """["q_proj"]""", "q_proj")]
    [InlineData("""["k_proj", "q_proj"]""", "[]", "")]
    public void Feed_forward_modules_of_ia3_are_those_whose_paths_end_in_a_name(string targets, string fed, string expected)
    {
        using var peft = Apply($$"""{ "peft_type": "IA3", "target_modules": {{targets}}, "feedforward_modules": {{fed}} }""");
        Shapes(peft, "ia3_l").Where(pair => pair.Value[0] == 1 && pair.Value[1] > 1).Select(pair => pair.Key.Split('.')[^2]).Distinct().ShouldBe(expected.Length == 0 ? [] : [expected]);
        using var folder = new TemporaryFolder();
        peft.SaveAdapter(folder);
        using var other = CausalLM.FromPretrained(Reference.Folder("llama"));
        using var loaded = other.ApplyAdapter(folder);
        Shapes(loaded, "ia3_l").Select(pair => (pair.Key, pair.Value[0])).ShouldBe(Shapes(peft, "ia3_l").Select(pair => (pair.Key, pair.Value[0])), ignoreOrder: true);
    }

    [Fact]
    public void Blocks_of_bd_lora_are_named_by_any_part_of_a_path()
    {
        using var peft = Apply("""{ "peft_type": "LORA", "r": 4, "target_modules": ["q_proj", "up_proj"], "use_bdlora": { "target_modules_bd_a": ["self_attn"], "target_modules_bd_b": ["mlp.up_proj"], "nblocks": 2 } }""");
        var hidden = model.Spec.HiddenSize;
        Shapes(peft, "q_proj.lora_A").Values.ShouldAllBe(shape => shape[1] == hidden / 2);
        Shapes(peft, "up_proj.lora_B").Values.ShouldAllBe(shape => shape[1] == 2);
    }

    [Fact]
    public void Three_terms_of_psoft_have_the_last_power_of_four()
    {
        var ids = Reference.Batch("llama").InputIds;
        Tensor Output(int terms)
        {
            using var peft = Apply($$"""{ "peft_type": "PSOFT", "r": 4, "target_modules": ["q_proj"], "use_cayley_neumann": true, "num_cayley_neumann_terms": {{terms}} }""");
            manual_seed(1);
            using var none = no_grad();
            foreach (var trained in peft.Trainables) trained.Value.add_(randn_like(trained.Value) * 0.2f);
            return model.forward(ids);
        }
        Output(3).RelativeDifference(Output(4)).ShouldBe(0);
        Output(3).RelativeDifference(Output(5)).ShouldBeGreaterThan(1e-6);
    }

    [Fact]
    public void Mica_trains_A_alone_against_the_smallest_left_singular_vectors()
    {
        var ids = Reference.Batch("llama").InputIds;
        var before = model.forward(ids).detach();
        using var peft = Apply("""{ "peft_type": "LORA", "r": 3, "target_modules": ["q_proj", "down_proj"], "init_lora_weights": "MiCA" }""");
        ((LoraOptions)peft.Find("default").Options).Initialization.ShouldBe(LoraInitialization.Mica);
        model.forward(ids).RelativeDifference(before).ShouldBeLessThan(1e-6);
        peft.Trainables.ShouldAllBe(trained => trained.Name.Contains("lora_A", StringComparison.Ordinal));
        foreach (var layer in peft.Find("default").Layers.OfType<DeltaLayer>())
        {
            var b = layer.Tensors.Single(tensor => tensor.Name.Contains("lora_B", StringComparison.Ordinal)).Value;
            var weight = layer.Target.ReadMatrix(ScalarType.Float32);
            var values = linalg.svdvals(weight);
            // ‖Wᵀb‖ is the singular value of a left singular vector.
            weight.t().mm(b).norm(0).RelativeDifference(values.narrow(0, values.size(0) - 3, 3)).ShouldBeLessThan(1e-3);
            b.t().mm(b).RelativeDifference(eye(3)).ShouldBeLessThan(1e-4);
        }
        // A restart would make B zero, which learns nothing.
        var ids2 = ids.narrow(1, 0, 4).clone();
        Should.Throw<PeftException>(() => new Trainer(peft, TrainingDataset.From(2, _ => new() { InputIds = ids2.clone(), Labels = ids2.clone() }), new() { MaxSteps = 2, BatchSize = 1, Restarts = new() { Every = 1 } }).Train()).Message.ShouldContain("frozen B");
        using var folder = new TemporaryFolder();
        peft.SaveAdapter(folder);
        using var other = CausalLM.FromPretrained(Reference.Folder("llama"));
        using var loaded = other.ApplyAdapter(folder);
        foreach (var (key, value) in loaded.StateOf(loaded.Find("default"))) value.Equals(peft.StateOf(peft.Find("default"))[key]).ShouldBeTrue(key);
    }

    [Theory, InlineData("pissa"), InlineData("olora"), InlineData("orthogonal")]
    public void An_embedding_begins_with_the_usual_factors(string start)
    {
        var ids = Reference.Batch("llama").InputIds;
        var before = model.forward(ids).detach();
        using var peft = Apply($$"""{ "peft_type": "LORA", "r": 4, "target_modules": ["embed_tokens"], "init_lora_weights": "{{start}}" }""");
        model.forward(ids).RelativeDifference(before).ShouldBe(0);
        peft.StateOf(peft.Find("default")).Single(pair => pair.Key.EndsWith("lora_embedding_A", StringComparison.Ordinal)).Value.abs().max().item<float>().ShouldBe(0);
    }

    [Theory, InlineData("Gaussian", "gaussian"), InlineData("OLoRA", "olora"), InlineData("MICA", "mica"), InlineData("pissa", "pissa")]
    public void Some_names_of_initializations_are_read_in_any_case(string written, string meant)
        => ((LoraOptions)AdapterConfig.Parse($$"""{ "peft_type": "LORA", "init_lora_weights": "{{written}}" }""")).Initialization.Name.ShouldBe(meant);

    [Fact]
    public void A_bias_of_lora_needs_the_usual_initialization()
        => Should.Throw<AdapterOptionsException>(() => Apply("""{ "peft_type": "LORA", "target_modules": ["q_proj"], "lora_bias": true, "init_lora_weights": "gaussian" }""")).Message.ShouldContain("UseLoraBias and Initialization 'gaussian'");

    [Fact]
    public void All_tokens_of_a_cartridge_may_be_frozen()
    {
        using var peft = Apply("""{ "peft_type": "CARTRIDGE", "num_virtual_tokens": 2, "num_frozen_tokens": 2 }""");
        peft.CountParameters().Trainable.ShouldBe(0);
    }
}
