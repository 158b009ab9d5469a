using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Decode steps by the layers' kernels give what whole passes without a cache give.</summary>
public class DecodeLayerTests
{
    private const int Vocabulary = 24;
    private static readonly int[][] Prompts = [[5, 1, 3, 2], [7, 4, 11, 6], [9, 8, 2, 10]];
    private static readonly int[][] Added = [[1, 2, 3], [4, 5, 6], [20, 9, 8]];

    private const string Sizes = """
        "vocab_size": 24, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64, "initializer_range": 0.5
        """;

    public static TheoryData<string, string> Architectures => new()
    {
        { "llama", """ "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "hidden_act": "silu" """ },
        { "mistral", """ "num_key_value_heads": 4, "rms_norm_eps": 1e-5, "hidden_act": "silu", "sliding_window": 4 """ },
        { "qwen2", """ "num_key_value_heads": 1, "rms_norm_eps": 1e-6, "hidden_act": "silu" """ },
        { "qwen3", """ "num_key_value_heads": 2, "head_dim": 16, "rms_norm_eps": 1e-6, "hidden_act": "silu" """ },
        { "phi3", """ "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "hidden_act": "silu", "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2 """ },
        { "gemma", """ "num_key_value_heads": 1, "head_dim": 8, "rms_norm_eps": 1e-6, "hidden_activation": "gelu_pytorch_tanh" """ },
        { "gemma3_text", """ "num_key_value_heads": 2, "head_dim": 8, "rms_norm_eps": 1e-6, "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 8, "sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"] """ },
        { "gpt2", """ "n_embd": 32, "n_head": 4, "n_layer": 2, "n_inner": 44, "n_positions": 64, "activation_function": "gelu_new" """ },
        { "gpt_neox", """ "hidden_act": "gelu_fast", "rotary_pct": 0.5, "use_parallel_residual": true """ },
        { "gpt_neox", """ "hidden_act": "gelu", "rotary_pct": 0.5, "use_parallel_residual": false """ },
        { "opt", """ "ffn_dim": 44, "activation_function": "relu", "do_layer_norm_before": true, "word_embed_proj_dim": 32 """ },
    };

    internal static CausalLM Create(string type, string fields, int width = 44) => CausalLM.FromConfig(ModelConfig.Parse($$"""{ "model_type": "{{type}}", "intermediate_size": {{width}}, {{Sizes}}, {{fields}} }"""), seed: 3);

    // Adapters that change much.
    internal static PeftModel Adapt(CausalLM model)
    {
        var peft = model.ApplyAdapter(new LoraOptions { Rank = 8, TargetModules = "all-linear" }, "one");
        peft.Add("two", new LoraOptions { Rank = 3, TargetModules = "all-linear" });
        manual_seed(5);
        using var grad = no_grad();
        foreach (var name in new[] { "two", "one" })
        {
            peft.Activate(name);
            foreach (var tensor in peft.Trainables) tensor.Value.normal_(0, 0.1);
        }
        return peft;
    }

    [Theory, MemberData(nameof(Architectures))]
    public void A_step_gives_the_logits_of_a_whole_pass(string type, string fields)
    {
        using var model = Create(type, fields);
        model.eval();
        RequireEqual(model, stepsAreFused: true);
        using var peft = Adapt(model);
        RequireEqual(model, stepsAreFused: true);
        using (peft.Rows(["two", PeftModel.Base, "one"])) RequireEqual(model, stepsAreFused: true);
        peft.Merge();
        RequireEqual(model, stepsAreFused: true);
    }

    [Fact]
    public void Other_adapters_hooks_and_training_take_the_modules_one_by_one()
    {
        using var model = Create("llama", """ "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "hidden_act": "silu" """);
        model.eval();
        var down = model.Backbone.Layers[0].named_modules().First(pair => pair.name.EndsWith("down_proj")).module;
        var calls = 0;
        var hook = ((nn.Module<Tensor, Tensor>)down).register_forward_hook((_, _, output) => { calls++; return output.mul(2); });
        RequireEqual(model, stepsAreFused: false, layer: 0);
        calls.ShouldBe(7, "the prompt, three steps, and three passes without a cache");
        hook.remove();
        RequireEqual(model, stepsAreFused: true);
        using (model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = "all-linear", UseDora = true })) RequireEqual(model, stepsAreFused: false);
        model.train();
        RequireEqual(model, stepsAreFused: false);
    }

    // Three steps of three rows after their prompts, against passes without a cache.
    private static void RequireEqual(CausalLM model, bool stepsAreFused, int? layer = null)
    {
        using var scope = NewDisposeScope();
        using var inference = inference_mode();
        var fused = 0;
        var hooks = model.Backbone.Layers.Where((_, index) => layer is null || index == layer).Select(each => each.register_forward_hook((_, input, context, output) =>
        {
            // A step writes the same keys and values again.
            if (context.Length != 1 || context.Cache is null) return output.alias();
            using var again = each.Step(input, context);
            if (again is not null)
            {
                fused++;
                again.Equals(output).ShouldBeTrue("the same kernels give the same bits");
            }
            return output.alias();
        })).ToList();
        using var cache = new KeyValueCache(4);
        model.forward(new ModelInput { InputIds = Ids(0), Cache = cache });
        for (var step = 0; step < Added[0].Length; step++)
        {
            var next = tensor(Added.Select(row => (long)row[step]).ToArray()).unsqueeze(1);
            var actual = model.forward(new ModelInput { InputIds = next, Cache = cache });
            var expected = model.forward(new ModelInput { InputIds = Ids(step + 1) }).narrow(1, -1, 1);
            var scale = expected.abs().max().item<float>();
            actual.sub(expected).abs().max().item<float>().ShouldBeLessThan(2e-5f * scale);
        }
        foreach (var hook in hooks) hook.remove();
        if (stepsAreFused) fused.ShouldBe(hooks.Count * Added[0].Length);
        else fused.ShouldBe(0);
    }

    private static Tensor Ids(int added) => stack(Prompts.Zip(Added).Select(pair => tensor(pair.First.Concat(pair.Second.Take(added)).Select(id => (long)id).ToArray())));
}
