using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Lora.Tests;

/// <summary>An adapter that runs layers of the model more than once, each time with factors of its own.</summary>
public sealed class LayerReplicationTests : IDisposable
{
    private const string Config = """
        {"model_type":"gpt2","n_embd":16,"n_layer":3,"n_head":2,"n_positions":12,"vocab_size":20,"resid_pdrop":0,"embd_pdrop":0,"attn_pdrop":0}
        """;

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly CausalLM model = CausalLM.FromConfig(ModelConfig.Parse(Config), seed: 1);
    private readonly TemporaryFolder folder = new();
    private readonly Tensor ids = tensor(new long[,] { { 3, 1, 4, 1, 5 } });

    private static readonly LoraOptions Options = new() { Rank = 2, TargetModules = ["c_attn", "c_fc"], LayerReplication = [new(0, 2), new(1, 3)] };

    public LayerReplicationTests() => manual_seed(41);

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void The_model_runs_its_layers_in_the_new_order_on_the_same_weights_and_is_as_it_was_afterwards()
    {
        var (bits, before) = (model.Bits(), Logits());
        var paths = model.named_parameters().Select(pair => pair.name).ToList();
        using var longer = CausalLM.FromConfig(ModelConfig.Parse(Config.Replace("\"n_layer\":3", "\"n_layer\":4", StringComparison.Ordinal)));
        var weights = model.state_dict();
        longer.load_state_dict(longer.state_dict().Keys.ToDictionary(key => key, key => weights[From(key)]));
        var expected = longer.forward(ids);

        var peft = model.ApplyAdapter(Options);
        peft.Trainables.Count.ShouldBe(4 * 2 * 2);
        Logits().Difference(expected).ShouldBeLessThan(1e-5f);   // untrained
        var (first, second) = (model.get_parameter("transformer.h.1.mlp.c_fc.weight"), model.get_parameter("transformer.h.2.mlp.c_fc.weight"));
        ReferenceEquals(first, second).ShouldBeTrue();
        ReferenceEquals(model.get_parameter("transformer.h.1.mlp.c_fc.bias"), model.get_parameter("transformer.h.2.mlp.c_fc.bias")).ShouldBeTrue();
        peft.Shake();
        using (peft.WithoutAdapters()) Logits().Difference(before).ShouldBe(0);
        var adapted = Logits();
        adapted.Difference(expected).ShouldBeGreaterThan(1e-3f);
        model.Generate([3, 1], new GenerationOptions { MaxNewTokens = 3 }).Count.ShouldBe(3);

        peft.Delete("default");
        model.named_parameters().Select(pair => pair.name).ShouldBe(paths);
        Logits().Difference(before).ShouldBe(0);
        peft.Add("plain", Options with { LayerReplication = null });
        peft.Trainables.Count.ShouldBe(3 * 2 * 2);
        peft.Unload();
        model.ShouldHaveBits(bits);

        static string From(string key) => key.Replace(".h.3.", ".h.2.", StringComparison.Ordinal) is var moved && moved != key ? moved : key.Replace(".h.2.", ".h.1.", StringComparison.Ordinal);
    }

    [Fact]
    public void It_is_honoured_on_load_and_by_further_adapters()
    {
        using (var peft = model.ApplyAdapter(Options))
        {
            peft.Shake();
            peft.SaveAdapter(folder);
        }
        using var loaded = model.ApplyAdapter(folder);
        ((LoraOptions)loaded.Find("default").Options).LayerReplication.ShouldBe(Options.LayerReplication);
        loaded.LoadAdapter(folder, "again");
        loaded.Add("plain", Options with { LayerReplication = null });
        loaded.Activate("plain");
        loaded.Trainables.Count.ShouldBe(4 * 2 * 2);
        loaded.Delete("default");
        loaded.Delete("again");
        model.named_modules().Count(pair => pair.name.EndsWith("c_fc", StringComparison.Ordinal)).ShouldBe(4);   // what is left was made for these layers
        Should.Throw<AdapterOptionsException>(() => loaded.Add("other", Options with { LayerReplication = [new(0, 1)] })).Message.ShouldContain("[0, 1, 1, 2]");
    }

    [Fact]
    public void Twins_follow_the_model_to_another_type_and_learn_apart()
    {
        using var peft = model.ApplyAdapter(Options);
        peft.Shake();
        model.Loss(new ModelInput { InputIds = ids }, ids).backward();
        peft.Trainables.ShouldAllBe(tensor => tensor.Value.grad!.abs().max().item<float>() > 0);
        Should.Throw<NotMergeableException>(() => peft.Merge()).Message.ShouldContain("h.2");
        Should.Throw<NotMergeableException>(() => peft.MergeAndUnload());
        var before = Logits();
        model.to(ScalarType.Float64);
        ReferenceEquals(model.get_parameter("transformer.h.1.mlp.c_fc.bias"), model.get_parameter("transformer.h.2.mlp.c_fc.bias")).ShouldBeTrue();
        Logits().to_type(ScalarType.Float32).Difference(before).ShouldBeLessThan(1e-4f);
        peft.Dispose();
        model.forward(ids).sum().backward();
    }

    [Fact]
    public void Orders_that_cannot_be_run_are_refused_and_change_nothing()
    {
        using var user = new UserModel();
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(Options with { LayerReplication = [new(2, 4)] })).Message.ShouldContain("has 3");
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(Options with { LayerReplication = [new(2, 2)] })).Message.ShouldContain("[2, 2]");
        Should.Throw<AdapterOptionsException>(() => user.ApplyAdapter(Options)).Message.ShouldContain("UserModel");
        Should.Throw<TargetNotFoundException>(() => model.ApplyAdapter(Options with { TargetModules = ["c_attm"] }));
        model.named_modules().Count(pair => pair.name.EndsWith("c_fc", StringComparison.Ordinal)).ShouldBe(3);
        using var peft = model.ApplyAdapter(Options with { LayerReplication = null });
        Should.Throw<AdapterOptionsException>(() => peft.Add("late", Options)).Message.ShouldContain("Remove them first");
    }

    private Tensor Logits()
    {
        using var _ = no_grad();
        return model.forward(ids);
    }
}
