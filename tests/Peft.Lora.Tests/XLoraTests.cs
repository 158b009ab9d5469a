using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Lora.Tests;

/// <summary>X-LoRA: its two passes, its files, and what it refuses.</summary>
public sealed class XLoraTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly TemporaryFolder folder = new();
    private readonly CausalLM model = Create();
    private readonly Tensor ids = tensor(new long[,] { { 5, 6, 7, 8, 9 }, { 11, 4, 7, 3, 2 } });

    public XLoraTests()
    {
        manual_seed(14);
        foreach (var (name, targets) in new[] { ("law", new[] { "q_proj", "down_proj" }), ("code", ["q_proj", "v_proj"]) })
        {
            using var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, Alpha = 4, TargetModules = targets });
            peft.Shake();
            peft.SaveAdapter(folder[name]);
        }
    }

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
        folder.Dispose();
    }

    private static CausalLM Create() => CausalLM.FromConfig(ModelConfig.Parse("""
        {"model_type":"llama","hidden_size":16,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,"intermediate_size":24,"vocab_size":20,"initializer_range":0.3}
        """), seed: 1);

    private XLoraOptions Options => new()
    {
        Adapters = new Dictionary<string, string> { ["law"] = folder["law"], ["code"] = folder["code"] }, Depth = 2, Size = 8, IsLayerwise = true,
    };

    private static Tensor Logits(CausalLM model, ModelInput input)
    {
        using var _ = no_grad();
        return model.forward(input);
    }

    private Tensor Logits() => Logits(model, new ModelInput { InputIds = ids });

    [Fact]
    public void Equal_shares_are_the_mean_of_the_experts()
    {
        Tensor mixed, mean;
        using (var peft = model.ApplyAdapter(Options with { GlobalScaling = 1.5 }))
        {
            using (no_grad()) foreach (var tensor in peft.Trainables) tensor.Value.zero_();   // whatever the text is, the shares are a half
            mixed = Logits();
        }
        using (var peft = new PeftModel(model))
        {
            foreach (var name in new[] { "law", "code" }) peft.LoadAdapter(folder[name], name);
            using (no_grad())
                foreach (var (key, tensor) in peft.Adapters.Values.SelectMany(adapter => adapter.Tensors))
                    if (key.Contains("lora_B", StringComparison.Ordinal)) tensor.Value.mul_(0.75);
            peft.Activate("law", "code");
            mean = Logits();
        }
        mixed.Difference(mean).ShouldBeLessThan(1e-5f);
    }

    [Fact]
    public void The_shares_at_a_position_are_what_the_classifier_reads_in_the_base_models_states()
    {
        using var peft = model.ApplyAdapter(Options with { Depth = 1, IsLayerwise = false, TopExperts = 1, UseSoftmax = false });
        peft.Shake(1);
        Tensor states;
        using (peft.WithoutAdapters()) states = Outputs("model.norm", (_, output) => output.clone())[^1];
        var state = peft.StateOf(peft.Find("default"));
        var logits = nn.functional.linear(states, state["base_model.internal_xlora_classifier.layers.0.weight"], state["base_model.internal_xlora_classifier.layers.0.bias"]);
        // The first module of the model sees the embeddings, whatever the mixture does behind it.
        var x = model.get_parameter("model.embed_tokens.weight")!.index_select(0, ids.view(-1)).view(2, 5, 16);
        x = x / (x.square().mean([-1], keepdim: true) + 1e-6).sqrt() * model.get_parameter("model.layers.0.input_layernorm.weight")!;
        var query = peft.Tree.Targets.Single(target => target.Path == "model.layers.0.self_attn.q_proj");
        var expected = nn.functional.linear(x, query.Storage.Parameter!);
        foreach (var (name, i) in new[] { ("law", 0), ("code", 1) })
        {
            using var file = AdapterCheckpoint.OpenTensors(folder[name]);
            var (a, b) = (file.Read("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"), file.Read("base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"));
            var chosen = logits.argmax(-1, true).eq(i).to_type(ScalarType.Float32);
            expected = expected + x.matmul(a.t()).matmul(b.t()) * 2 * logits.narrow(-1, i, 1) * chosen;
        }
        var seen = Outputs(query.Path, (_, output) => output.clone());
        seen[0].Difference(nn.functional.linear(x, query.Storage.Parameter!)).ShouldBeLessThan(1e-4f);   // the first pass is the base model's
        seen[1].Difference(expected).ShouldBeLessThan(1e-4f);
        seen.Count.ShouldBe(2);
    }

    // What is made of a module's outputs in the passes that one forward pass of the model comes to.
    private List<Tensor> Outputs(string path, Func<Tensor, Tensor, Tensor> take)
    {
        var found = new List<Tensor>();
        var module = (nn.Module<Tensor, Tensor>)model.named_modules().Single(pair => pair.name == path).module;
        var hook = module.register_forward_hook((_, input, output) =>
        {
            found.Add(take(input, output).DetachFromDisposeScope());
            return output;
        });
        Logits();
        hook.remove();
        return found;
    }

    [Fact]
    public void A_cache_changes_nothing()
    {
        using var peft = model.ApplyAdapter(Options with { FirstPassWeight = 0.3 });
        peft.Shake();
        var whole = Logits();
        using var cache = new KeyValueCache();
        foreach (var (start, length) in new[] { (0, 2), (2, 1), (3, 2) })
            Logits(model, new ModelInput { InputIds = ids.narrow(1, start, length), Cache = cache }).Difference(whole.narrow(1, start, length)).ShouldBeLessThan(1e-4f);
        cache.Truncate(3);
        Logits(model, new ModelInput { InputIds = ids.narrow(1, 3, 2), Cache = cache }).Difference(whole.narrow(1, 3, 2)).ShouldBeLessThan(1e-4f);

        // A cache that was begun without the adapter lacks the first pass's part.
        using var begun = new KeyValueCache();
        using (peft.WithoutAdapters()) Logits(model, new ModelInput { InputIds = ids.narrow(1, 0, 3), Cache = begun });
        using var other = new KeyValueCache();
        using (peft.WithoutAdapters()) Logits(model, new ModelInput { InputIds = ids.narrow(1, 0, 3), Cache = other });
        var late = Logits(model, new ModelInput { InputIds = ids.narrow(1, 3, 2), Cache = begun });
        var single = cat([Logits(model, new ModelInput { InputIds = ids.narrow(1, 3, 1), Cache = other }), Logits(model, new ModelInput { InputIds = ids.narrow(1, 4, 1), Cache = other })], 1);
        late.Difference(single).ShouldBeLessThan(1e-4f);

        // Beams copy and exchange what both caches hold.
        IReadOnlyList<int>[] prompts = [[5, 6, 7], [9, 3, 12, 7, 2]];
        var options = new GenerationOptions { MaxNewTokens = 6, MinNewTokens = 6, DoSample = false, NumBeams = 3, EndTokenIds = [] };
        var together = model.Generate(prompts, options);
        for (var i = 0; i < prompts.Length; i++) together[i].ShouldBe(model.Generate(prompts[i], options));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_largest_shares_are_kept_and_may_sum_to_1_again(bool softmax)
    {
        using var peft = model.ApplyAdapter(Options with { Depth = 1, IsLayerwise = false, TopExperts = 1, UseTopSoftmax = softmax });
        peft.Shake();
        var mixture = (XLoraMixture)peft.Find("default").Shared!;
        var query = peft.Tree.Targets.Single(target => target.Path == "model.layers.0.self_attn.q_proj");
        var shares = Outputs(query.Path, (_, output) => ForwardPass.Current.IsPreliminary ? output.clone() : mixture.MixtureWeights(query, 0, output).clone())[1];
        shares.ne(0).sum(-1).eq(1).all().item<bool>().ShouldBeTrue();
        var largest = shares.amax([-1]);
        if (softmax) largest.Difference(ones(2, 5)).ShouldBeLessThan(1e-6f);
        else largest.ge(0.5).logical_and(largest.lt(1)).all().item<bool>().ShouldBeTrue();   // the larger of two that sum to 1
    }

    [Fact]
    public void Rows_may_have_it_or_not()
    {
        var bare = Logits();
        using var peft = model.ApplyAdapter(Options);
        peft.Shake();
        peft.Add("lora", new LoraOptions { Rank = 2 });
        var mixed = Logits();
        using (peft.Rows(PeftModel.Base, "default"))
        {
            var rows = Logits();
            rows[0].Difference(bare[0]).ShouldBeLessThan(1e-5f);
            rows[1].Difference(mixed[1]).ShouldBeLessThan(1e-5f);
        }
        using (peft.WithoutAdapters()) Logits().Difference(bare).ShouldBe(0);
    }

    [Fact]
    public void Trained_experts_lie_in_the_saved_folder_and_come_back_from_there()
    {
        var saved = folder["saved"];
        using var peft = model.ApplyAdapter(Options with { TrainsExperts = true });
        peft.Trainables.Count(tensor => tensor.Name.Contains("experts.", StringComparison.Ordinal)).ShouldBe(16);
        model.CheckpointActivations = true;   // which has no effect here: all layers read the same shares
        model.Loss(new Batch { InputIds = ids, Labels = ids }).backward();
        peft.Trainables.ShouldAllBe(tensor => tensor.Value.grad!.abs().max().item<float>() > 0);
        peft.Shake();
        peft.SaveAdapter(saved);
        Directory.Delete(folder["law"], recursive: true);   // the folder is whole without the first ones
        Directory.Delete(folder["code"], recursive: true);
        using var other = Create();
        using var loaded = other.ApplyAdapter(saved);
        loaded.Find("default").Warnings.ShouldBeEmpty();
        Logits(other, new ModelInput { InputIds = ids }).Difference(Logits()).ShouldBe(0);
        var lora = (LoraOptions)AdapterConfig.Read(Path.Combine(saved, "code"));
        lora.Rank.ShouldBe(2);
        using var plain = Create();
        using var expert = plain.ApplyAdapter(Path.Combine(saved, "code"));   // and each expert an adapter of its own
        Logits(plain, new ModelInput { InputIds = ids }).Difference(Logits()).ShouldBeGreaterThan(1e-4f);
    }

    [Fact]
    public void What_is_no_expert_is_refused()
    {
        string Bad(string name, LoraOptions options)
        {
            using var peft = model.ApplyAdapter(options);
            peft.SaveAdapter(folder[name]);
            return folder[name];
        }
        Should.Throw<AdapterOptionsException>(() => model.ApplyXLora(Bad("dora", new LoraOptions { Rank = 2, UseDora = true }))).Message.ShouldContain("UseDora");
        Should.Throw<AdapterMismatchException>(() => model.ApplyXLora(Bad("bias", new LoraOptions { Rank = 2, ModulesToSave = ["lm_head"] }))).Message.ShouldContain("lm_head");
        Should.Throw<TargetNotFoundException>(() => model.ApplyAdapter(new XLoraOptions())).Message.ShouldContain("Adapters");
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(Options with { HiddenSize = 8 })).Message.ShouldContain("16");
        using var user = new UserModel();
        Should.Throw<AdapterOptionsException>(() => user.ApplyAdapter(Options)).Message.ShouldContain("UserModel");
        PeftModel.Of(model).ShouldBeNull();
    }

    [Fact]
    public void A_file_without_a_classifier_is_read_with_a_warning()
    {
        var saved = folder["saved"];
        using (var peft = model.ApplyAdapter(Options))
        {
            peft.SaveAdapter(saved);
            AdapterCheckpoint.Write(saved, peft.Find("default").Options, new Dictionary<string, Tensor>());
        }
        using var loaded = model.ApplyAdapter(saved);
        loaded.Find("default").Warnings.ShouldHaveSingleItem().ShouldContain("classifier");
    }

    // Hugging Face PEFT takes the number of a layer for the name of an expert, and leaves that layer out.
    [Fact]
    public void Of_a_file_with_parts_of_the_classifier_these_are_read_and_the_others_start_at_random()
    {
        const string last = "base_model.internal_xlora_classifier.layers.3.weight";
        var saved = folder["saved"];
        Tensor trained;
        using (var peft = model.ApplyAdapter(Options))
        {
            peft.Shake();
            peft.SaveAdapter(saved);
            trained = peft.StateOf(peft.Find("default"))[last].clone();
            AdapterCheckpoint.Write(saved, peft.Find("default").Options, new Dictionary<string, Tensor> { [last] = trained });
        }
        using var loaded = model.ApplyAdapter(saved);
        loaded.Find("default").Warnings.ShouldHaveSingleItem().ShouldContain("classifier");
        loaded.StateOf(loaded.Find("default"))[last].Difference(trained).ShouldBe(0);
        loaded.StateOf(loaded.Find("default"))[last.Replace("3.", "0.", StringComparison.Ordinal)].Largest().ShouldBeGreaterThan(0);
    }
}
