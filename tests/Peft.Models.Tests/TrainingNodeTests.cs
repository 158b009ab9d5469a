using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Layers whose parts are single nodes of the autograd graph train as the modules one by one do.</summary>
public class TrainingNodeTests
{
    private const string Llama = """ "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "hidden_act": "silu" """;

    public static TheoryData<string, string> Architectures => DecodeLayerTests.Architectures;

    [Theory, MemberData(nameof(Architectures))]
    public void Losses_and_gradients_are_those_of_the_modules(string type, string fields)
    {
        using var model = DecodeLayerTests.Create(type, fields);
        model.train();
        using var peft = DecodeLayerTests.Adapt(model);
        Taken(model).ShouldBe(type switch
        {
            "llama" or "mistral" or "qwen2" or "qwen3" or "gemma" or "gpt2" or "gpt_neox" or "opt" => (true, true),
            "phi3" => (true, false),   // a fused gate
            _ => (false, false),
        });
        Compare(model, peft);
        peft.Activate("two");   // of rank 3
        Compare(model, peft);
        if (!model.named_modules().Any(pair => pair.name.EndsWith("q_proj", StringComparison.Ordinal))) return;
        peft.Add("few", new LoraOptions { Rank = 4, TargetModules = ["q_proj", "v_proj"] });
        peft.Activate("few");
        using (no_grad())
            foreach (var tensor in peft.Trainables) tensor.Value.normal_(0, 0.1);
        Compare(model, peft);
    }

    [Fact]
    public void A_quantized_model_trains_alike()
    {
        using var model = CausalLM.FromPretrained(Reference.Folder("llama"), new LoadOptions { Quantization = Peft.Quantization.QuantizationOptions.Nf4() });
        model.train();
        using var peft = DecodeLayerTests.Adapt(model);
        Taken(model).ShouldBe((true, true));
        Compare(model, peft, hasFloat64: false);
    }

    // The masks are drawn in the order in which the modules would draw them.
    [Theory]
    [InlineData("llama", Llama)]
    [InlineData("llama", """ "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "hidden_act": "silu", "attention_dropout": 0.2 """)]
    [InlineData("gpt2", """ "n_embd": 32, "n_head": 4, "n_layer": 2, "n_inner": 48, "n_positions": 64, "activation_function": "gelu_new", "resid_pdrop": 0.2, "attn_pdrop": 0.3, "embd_pdrop": 0.1 """)]
    [InlineData("gpt_neox", """ "hidden_act": "gelu_fast", "rotary_pct": 0.5, "use_parallel_residual": true, "hidden_dropout": 0.2, "attention_dropout": 0.1 """)]
    [InlineData("opt", """ "ffn_dim": 48, "activation_function": "relu", "do_layer_norm_before": true, "word_embed_proj_dim": 32, "dropout": 0.2, "attention_dropout": 0.1 """)]
    public void Nodes_drop_the_values_that_modules_drop(string type, string fields)
    {
        using var model = DecodeLayerTests.Create(type, fields, width: 48);
        model.train();
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 8, TargetModules = "all-linear", Dropout = 0.25 });
        manual_seed(5);
        using (no_grad())
            foreach (var tensor in peft.Trainables) tensor.Value.normal_(0, 0.1);
        Taken(model).ShouldBe((true, true));
        Compare(model, peft, hasFloat64: false);
        // A layer that runs again in the backward pass has the same masks, although with few positions its first run calls the modules.
        using var scope = NewDisposeScope();
        var plain = Gradients(model, peft);
        model.CheckpointActivations = true;
        var again = Gradients(model, peft);
        again.Loss.ShouldBe(plain.Loss, 1e-5);
        foreach (var (one, other) in again.Gradients.Zip(plain.Gradients)) one.Value.RelativeDifference(other.Value).ShouldBeLessThan(2e-5, one.Name);
        model.CheckpointActivations = false;
        model.eval();
        using (no_grad())
        {
            var ids = tensor(new long[] { 5, 1, 3, 2 }, [1L, 4L]);
            model.forward(ids).Difference(model.forward(ids)).ShouldBe(0, "nothing is dropped in evaluation");
        }
    }

    [Theory, MemberData(nameof(Architectures))]
    public void Trained_weights_have_the_gradients_of_the_modules(string type, string fields)
    {
        var nodes = type switch
        {
            "llama" or "mistral" or "qwen2" or "qwen3" or "gemma" or "gpt2" or "gpt_neox" or "opt" => (true, true),
            "phi3" => (true, false),   // a fused gate
            _ => (false, false),
        };
        using var model = DecodeLayerTests.Create(type, fields);
        model.train();
        Taken(model).ShouldBe(nodes);
        Compare(model, () => new ModuleTrainable(model));
        foreach (var trainsNorms in new[] { false, true })
        {
            foreach (var (name, parameter) in model.named_parameters()) parameter.requires_grad = (name.Contains("norm", StringComparison.Ordinal) || name.Contains("ln_", StringComparison.Ordinal)) == trainsNorms;
            Taken(model).ShouldBe(nodes);
            Compare(model, () => new ModuleTrainable(model));
        }
    }

    [Theory, MemberData(nameof(Architectures))]
    public void Copies_that_replace_weights_have_the_gradients_of_the_modules(string type, string fields)
    {
        using var model = DecodeLayerTests.Create(type, fields);
        model.train();
        var nodes = Taken(model);
        using (var full = model.ApplyFull())
        {
            Taken(model).ShouldBe(nodes);
            using (no_grad())
                foreach (var trained in full.Trainables) trained.Value.add_(0.01f * randn_like(trained.Value));   // so that they differ from the base model's
            Compare(model, full, hasFloat64: false);
            full.Unload();
        }
        using var partial = model.ApplyPartial(type == "gpt2" ? "h.-1" : "layers.-1");
        Taken(model).ShouldBe(nodes);
        Compare(model, partial, hasFloat64: false);
    }

    [Theory]
    [InlineData("llama", Llama)]
    [InlineData("gpt2", """ "n_embd": 32, "n_head": 4, "n_layer": 2, "n_inner": 48, "n_positions": 64, "activation_function": "gelu_new", "resid_pdrop": 0.2, "attn_pdrop": 0.3, "embd_pdrop": 0.1 """)]
    public void A_checkpointed_layer_trains_its_weights_as_a_plain_one(string type, string fields)
    {
        using var scope = NewDisposeScope();
        using var model = DecodeLayerTests.Create(type, fields, width: 48);
        model.train();
        var all = new ModuleTrainable(model);
        var ids = randint(1, 20, [3, 60], ScalarType.Int64);
        using var batch = new Batch { InputIds = ids, Labels = ids.clone() };
        var plain = Gradients(model, all, batch);
        model.CheckpointActivations = true;
        var again = Gradients(model, all, batch);
        again.Loss.ShouldBe(plain.Loss);
        again.Gradients.Count.ShouldBe(plain.Gradients.Count);
        foreach (var (one, other) in again.Gradients.Zip(plain.Gradients)) one.Value.RelativeDifference(other.Value).ShouldBeLessThan(1e-6, one.Name);
    }

    [Fact]
    public void Other_adapters_take_the_modules_one_by_one()
    {
        using var model = DecodeLayerTests.Create("llama", Llama);
        using var peft = model.ApplyAdapter(new RoadOptions { GroupSize = 8, TargetModules = ["q_proj"] });
        Taken(model).ShouldBe((false, true));
        using (no_grad()) Taken(model).ShouldBe((false, false));
    }

    // Three rows of 60 positions are more than the kernels of modules are for.
    [Theory, MemberData(nameof(Architectures))]
    public void Predictions_of_many_positions_are_those_of_the_modules(string type, string fields)
    {
        using var scope = NewDisposeScope();
        using var model = DecodeLayerTests.Create(type, fields);
        model.eval();
        manual_seed(4);
        var ids = randint(1, 20, [3, 60], ScalarType.Int64);
        var few = tensor(new long[] { 5, 1, 3, 2 }, [1L, 4L]);
        Compare(() => inference_mode());
        using var peft = DecodeLayerTests.Adapt(model);
        foreach (var adapter in new[] { "one", "two" })
        {
            peft.Activate(adapter);
            Compare(() => inference_mode());
            Compare(() => no_grad());
        }

        void Compare(Func<IDisposable> mode)
        {
            using var own = mode();
            Taken(model, few).ShouldBe((false, false));
            Taken(model, ids).ShouldBe(type switch
            {
                "phi3" => (true, false),
                "gemma3_text" => (false, false),
                _ => (true, true),
            });
            using var inner = NewDisposeScope();
            var steps = model.forward(ids);
            using (new SilentHooks(model.Backbone)) steps.RelativeDifference(model.forward(ids)).ShouldBeLessThan(1e-5);
            var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
            for (var i = 0; i < 3; i++) model.forward(ids).Dispose();
            DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount.ShouldBe(before);
        }
    }

    [Fact]
    public void A_layer_that_runs_again_rounds_as_in_its_first_run()
    {
        using var scope = NewDisposeScope();
        using var model = DecodeLayerTests.Create("gpt2", """ "n_embd": 32, "n_head": 4, "n_layer": 2, "n_inner": 48, "n_positions": 64, "activation_function": "gelu_new", "resid_pdrop": 0.2, "attn_pdrop": 0.3, "embd_pdrop": 0.1 """, width: 48);
        model.train();
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 8, TargetModules = "all-linear", Dropout = 0.25 });
        manual_seed(5);
        using (no_grad())
            foreach (var trained in peft.Trainables) trained.Value.normal_(0, 0.1);
        // More positions than the kernels of modules are for: nodes compute the first run too.
        var ids = randint(1, 20, [3, 60], ScalarType.Int64);
        using (no_grad()) Taken(model, ids).ShouldBe((true, true));
        using var batch = new Batch { InputIds = ids, Labels = ids.clone() };
        var plain = Gradients(model, peft, batch);
        model.CheckpointActivations = true;
        var again = Gradients(model, peft, batch);
        again.Loss.ShouldBe(plain.Loss);
        foreach (var (one, other) in again.Gradients.Zip(plain.Gradients)) one.Value.Difference(other.Value).ShouldBe(0, one.Name);
    }

    [Theory, MemberData(nameof(Architectures))]
    public void A_checkpointed_layer_has_the_gradients_of_a_plain_one_whatever_is_trained_in_it(string type, string fields)
    {
        using var scope = NewDisposeScope();
        using var model = DecodeLayerTests.Create(type, fields, width: 48);
        model.eval();
        using var peft = DecodeLayerTests.Adapt(model);
        string[] all = [.. model.Backbone.Layers[0].named_modules().Where(pair => pair.module is nn.Module<Tensor, Tensor>).Select(pair => pair.name.Split('.')[^1]).Distinct()];
        foreach (var name in all.Where(IsAttention))
        {
            peft.Add(name, new LoraOptions { Rank = 4, TargetModules = [name] });
            peft.Activate(name);
            using (no_grad())
                foreach (var trained in peft.Trainables) trained.Value.normal_(0, 0.1);
            Check(name);
        }
        peft.Activate("one");
        Check("all-linear");

        bool IsAttention(string name) => name is "q_proj" or "v_proj" or "o_proj" or "out_proj" or "c_attn" or "c_proj" or "query_key_value" or "dense" or "qkv_proj";

        void Check(string what)
        {
            var ids = randint(1, 20, [3, 60], ScalarType.Int64);
            using var batch = new Batch { InputIds = ids, Labels = ids.clone() };
            var plain = Gradients(model, peft, batch);
            model.CheckpointActivations = true;
            var again = Gradients(model, peft, batch);
            model.CheckpointActivations = false;
            again.Loss.ShouldBe(plain.Loss, 1e-5, what);
            again.Gradients.ShouldNotBeEmpty();
            again.Gradients.Count.ShouldBe(plain.Gradients.Count);
            foreach (var (one, other) in again.Gradients.Zip(plain.Gradients)) one.Value.RelativeDifference(other.Value).ShouldBeLessThan(2e-5, $"{what}: {one.Name}");
        }
    }

    [Fact]
    public void A_hook_of_a_checkpointed_layer_sees_its_output_in_both_runs()
    {
        using var scope = NewDisposeScope();
        using var model = DecodeLayerTests.Create("llama", Llama, width: 48);
        model.train();
        using var peft = DecodeLayerTests.Adapt(model);
        var ids = randint(1, 20, [3, 60], ScalarType.Int64);
        using var batch = new Batch { InputIds = ids, Labels = ids.clone() };
        var outputs = new List<Tensor>();
        // The gradient of a square depends on the value.
        var hook = model.Backbone.Layers[0].register_forward_hook((_, _, _, output) =>
        {
            outputs.Add(output.detach().clone().DetachFromDisposeScope());
            return output.square();
        });
        var plain = Gradients(model, peft, batch);
        outputs.Count.ShouldBe(1);
        model.CheckpointActivations = true;
        var again = Gradients(model, peft, batch);
        outputs.Count.ShouldBe(3);
        outputs[2].Difference(outputs[0]).ShouldBe(0);
        foreach (var (one, other) in again.Gradients.Zip(plain.Gradients)) one.Value.RelativeDifference(other.Value).ShouldBeLessThan(2e-5, one.Name);
        hook.remove();
        foreach (var output in outputs) output.Dispose();
    }

    [Theory]
    [InlineData("input_layernorm")]
    [InlineData("q_proj")]
    [InlineData("o_proj")]
    [InlineData("up_proj")]
    [InlineData("mlp")]
    public void A_hook_on_a_module_inside_runs(string name)
    {
        using var model = DecodeLayerTests.Create("llama", Llama);
        model.train();
        using var peft = DecodeLayerTests.Adapt(model);
        var calls = 0;
        var hooks = Modules(model).Where(pair => pair.Name.EndsWith(name, StringComparison.Ordinal))
            .Select(pair => pair.Module.register_forward_hook((_, _, output) => { calls++; return output.mul(0.5f); })).ToList();
        using var scope = NewDisposeScope();
        var hooked = Gradients(model, peft);
        calls.ShouldBe(2, "one for each layer");
        foreach (var hook in hooks) hook.remove();
        hooked.Loss.ShouldNotBe(Gradients(model, peft).Loss);
        calls.ShouldBe(2);
    }

    // Whether all layers compute attention and feed-forward network by nodes.
    internal static (bool Attention, bool FeedForward) Taken(CausalLM model)
    {
        using var ids = tensor(new long[] { 5, 1, 3, 2 }, [1L, 4L]);
        return Taken(model, ids);
    }

    private static (bool Attention, bool FeedForward) Taken(CausalLM model, Tensor ids)
    {
        var found = new List<(bool, bool)>();
        var hooks = model.Backbone.Layers.Select(each => each.register_forward_hook((_, input, context, output) =>
        {
            using var attended = each.AddAttentionByNode(input, context);
            using var fed = each.AddFeedForwardByNode(input, input, context);
            found.Add((attended is not null, fed is not null));
            return output.alias();
        })).ToList();
        using var scope = NewDisposeScope();
        model.call(ids);
        foreach (var hook in hooks) hook.remove();
        found.Count.ShouldBe(2);
        return found.Distinct().Single();
    }

    // In float64, the modules give the exact gradients: some cancel, so that both differ from them by roundings of about the same size: one may be up to twice the other.
    private static void Compare(CausalLM model, ITrainable trained, bool hasFloat64 = true) => Compare(model, () => trained, hasFloat64);

    // A model in another dtype has other parameters.
    private static void Compare(CausalLM model, Func<ITrainable> trained, bool hasFloat64 = true)
    {
        using var scope = NewDisposeScope();
        var nodes = Gradients(model, trained());
        var hooks = new SilentHooks(model.Backbone);
        var modules = Gradients(model, trained());
        var exact = !hasFloat64 || model.ModelType is "gpt2" or "opt" ? modules : InFloat64();   // dropout of another dtype draws other values
        hooks.Dispose();
        nodes.Loss.ShouldBe(modules.Loss, 1e-5);
        nodes.Gradients.ShouldNotBeEmpty();
        nodes.Gradients.Count.ShouldBe(modules.Gradients.Count);
        var largest = exact.Gradients.Max(each => each.Value.abs().max().to(float64).item<double>());
        foreach (var ((one, other), third) in nodes.Gradients.Zip(modules.Gradients).Zip(exact.Gradients))
        {
            // Without a rotary embedding, the same numbers added to all keys change no weight of the attention.
            if (model.ModelType == "opt" && one.Name.EndsWith("k_proj.bias", StringComparison.Ordinal)) one.Value.abs().max().to(float64).item<double>().ShouldBeLessThan(1e-6 * largest, one.Name);
            else one.Value.RelativeDifference(third.Value).ShouldBeLessThan(Math.Max(2e-5, 2 * other.Value.RelativeDifference(third.Value)), one.Name);
        }

        (float Loss, List<(string Name, Tensor Value)> Gradients) InFloat64()
        {
            model.to(ScalarType.Float64);
            var result = Gradients(model, trained());
            model.to(ScalarType.Float32);
            return result;
        }
    }

    // A batch whose second row is padded.
    private static (float Loss, List<(string Name, Tensor Value)> Gradients) Gradients(CausalLM model, ITrainable peft)
    {
        var ids = tensor(new long[] { 5, 1, 3, 2, 9, 14, 7, 7, 4, 11, 6, 0, 0, 0 }, [2L, 7L]);
        var labels = tensor(new long[] { 5, 1, 3, 2, 9, 14, 7, 7, 4, 11, 6, -100, -100, -100 }, [2L, 7L]);
        using var batch = new Batch { InputIds = ids, Labels = labels, AttentionMask = labels.ge(0).to_type(ScalarType.Int64) };
        return Gradients(model, peft, batch);
    }

    private static (float Loss, List<(string Name, Tensor Value)> Gradients) Gradients(CausalLM model, ITrainable peft, Batch batch)
    {
        foreach (var trained in peft.Trainables) trained.Value.grad = null;
        manual_seed(11);   // the dropout of GPT-2 and OPT
        var loss = model.Loss(batch);
        loss.backward();
        return (loss.item<float>(), [.. peft.Trainables.Where(trained => trained.Value.grad is not null).Select(trained => (trained.Name, trained.Value.grad!.clone()))]);
    }

    private static IEnumerable<(string Name, nn.Module<Tensor, Tensor> Module)> Modules(CausalLM model)
        => model.Backbone.Layers.SelectMany(layer => layer.named_modules()).Where(pair => pair.module is nn.Module<Tensor, Tensor>).Select(pair => (pair.name, (nn.Module<Tensor, Tensor>)pair.module));
}
