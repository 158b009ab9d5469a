using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Adapters.Tests;

/// <summary>Methods that train what a model has, averages, and bottlenecks in the library's own models.</summary>
public sealed class TuningTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public TuningTests() => manual_seed(10);

    public void Dispose() => scope.Dispose();

    [Fact]
    public void BitFit_trains_every_bias_and_nothing_else()
    {
        using var model = new TinyTransformer("bert");
        var ids = randint(TinyTransformer.Vocabulary, [2, 5]);
        var before = model.call(ids);
        using var peft = model.ApplyBitFit();
        peft.Trainables.Select(tensor => tensor.Name).ShouldBe(model.named_parameters().Select(pair => pair.name).Where(name => name.EndsWith("bias", StringComparison.Ordinal)).Select(name => "base_model.model." + name), ignoreOrder: true);
        model.call(ids).Difference(before).ShouldBeLessThan(1e-12);
        peft.Shake();
        var tuned = model.call(ids);
        peft.MergeAndUnload();
        model.call(ids).Difference(tuned).ShouldBeLessThan(1e-12);

        using var bare = nn.Sequential(nn.Linear(3, 3, hasBias: false));
        Should.Throw<TargetNotFoundException>(() => bare.ApplyBitFit()).Message.ShouldContain("BEFT");
    }

    [Fact]
    public void Norms_of_a_model_that_nobody_listed_are_found()
    {
        using var model = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 2));
        using var peft = model.ApplyLayerNormTuning();
        peft.Trainables.Select(tensor => tensor.Name).ShouldBe(["base_model.model.1.ln_tuning_layers.weight", "base_model.model.1.ln_tuning_layers.bias"]);
        peft.RecommendedLearningRate.ShouldBe(1e-3);
    }

    [Fact]
    public void A_bias_that_a_module_lacks_works_unmerged_only()
    {
        using var model = nn.Sequential(nn.Linear(4, 3, hasBias: false));
        var x = randn(2, 4);
        var before = model.call(x);
        using var peft = model.ApplyBeft(targets: ["0"]);
        peft.Shake();
        var added = peft.Trainables.Single().Value;
        model.call(x).Difference(before + added).ShouldBeLessThan(1e-6);
        Should.Throw<NotMergeableException>(() => peft.Merge()).Message.ShouldContain("no bias");
    }

    [Fact]
    public void A_classifier_that_is_trained_whole_gets_no_adapter()
    {
        using var model = SequenceClassifier.FromConfig(Config("llama"), seed: 1);
        using var peft = model.ApplyAdapter(new Ia3Options { TargetModules = "all-linear", FeedForwardModules = [] });
        peft.Find("default").Tensors.Where(pair => pair.Key.Contains("score", StringComparison.Ordinal)).Select(pair => pair.Key).ShouldBe(["base_model.model.score.weight"]);
    }

    [Fact]
    public void Averages_weigh_all_tensors_and_say_what_does_not_fit()
    {
        using var model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4));
        using var peft = model.ApplyIa3(["0"], feedForward: []);
        peft.Add("second", new Ia3Options { TargetModules = ["0", "1"], FeedForwardModules = [] });
        peft.Activate("default", "second");
        peft.Shake();
        peft.AverageAdapters("mean", [("default", 1), ("second", 3)], normalize: true);
        Tensor Scale(string adapter, int module) => peft.StateOf(peft.Find(adapter))[$"base_model.model.{module}.ia3_l"];
        Scale("mean", 0).Difference(0.25 * Scale("default", 0) + 0.75 * Scale("second", 0)).ShouldBeLessThan(1e-6);
        Scale("mean", 1).Difference(0.75 * Scale("second", 1)).ShouldBeLessThan(1e-6);
        peft.Add("other", new BeftOptions { TargetModules = ["0"] });
        Should.Throw<AdapterOptionsException>(() => peft.AverageAdapters("no", [("default", 1), ("other", 1)])).Message.ShouldContain("IA3 and BEFT");
        peft.Add("turned", new Ia3Options { TargetModules = ["0"], FeedForwardModules = ["0"] });
        Should.Throw<AdapterMismatchException>(() => peft.AverageAdapters("no", [("default", 1), ("turned", 1)])).Message.ShouldContain("ia3_l");
        peft.Adapters.ContainsKey("no").ShouldBeFalse();
    }

    public static TheoryData<string> Architectures => ["llama", "gpt2", "gemma2", "opt", "gpt_neox", "phi3", "qwen3"];

    [Theory, MemberData(nameof(Architectures))]
    public void Bottlenecks_find_their_places_in_the_models_and_learn_there(string type)
    {
        using var model = CausalLM.FromConfig(Config(type), seed: 1);
        foreach (var options in new[] { BottleneckOptions.Houlsby, BottleneckOptions.Pfeiffer with { Invertible = "nice" }, BottleneckOptions.ScaledParallel })
        {
            using var peft = model.ApplyAdapter(options with { ReductionFactor = 2 });
            peft.Find("default").Layers.OfType<BottleneckLayer>().Count().ShouldBe(options.AfterAttention ? 4 : 2);
            var batch = new Batch { InputIds = randint(30, [2, 6]), Labels = randint(30, [2, 6]) };
            var first = model.Loss(batch);
            first.backward();
            peft.Unreached.ShouldBeEmpty();
            peft.Trainables.ShouldAllBe(tensor => tensor.Value.grad!.isfinite().all().item<bool>());
            using (no_grad()) foreach (var tensor in peft.Trainables) tensor.Value.sub_(tensor.Value.grad! * 0.05);
            model.Loss(batch).item<float>().ShouldBeLessThan(first.item<float>());

            // Token by token with a cache, as all at once.
            peft.Shake(0.1);
            int[] prompt = [3, 5, 7];
            var generated = model.Generate(prompt, new GenerationOptions { MaxNewTokens = 4, MinNewTokens = 4 });
            var all = prompt.Concat(generated).Select(id => (long)id).ToArray();
            var logits = model.forward(new ModelInput { InputIds = tensor(all).unsqueeze(0) });
            logits.argmax(-1)[0].data<long>().Skip(2).Take(4).ShouldBe(generated.Select(id => (long)id));
        }
    }

    private static ModelConfig Config(string type) => ModelConfig.Parse($$"""
        {
          "model_type": "{{type}}", "vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4, "rotary_pct": 0.5,
          "intermediate_size": 24, "ffn_dim": 24, "max_position_embeddings": 32, "n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 32,
          "pad_token_id": 0, "eos_token_id": null, "bos_token_id": null, "initializer_range": 0.2, "init_std": 0.2
        }
        """);
}
