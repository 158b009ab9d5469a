using System.Text.Json.Nodes;
using Peft.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Adapters.Tests;

/// <summary>Files of the Adapters library, and unions of methods.</summary>
public sealed class HubTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly TemporaryFolder folder = new();
    private readonly Tensor ids;

    public HubTests()
    {
        manual_seed(11);
        ids = randint(TinyTransformer.Vocabulary, [2, 5]);
    }

    public void Dispose()
    {
        folder.Dispose();
        scope.Dispose();
    }

    [Theory]
    [InlineData("bert", "layer.1.attention.output.adapters.news.adapter_down.0.weight", "layer.1.output.adapters.news.adapter_up.bias")]
    [InlineData("llama", "layer.1.attention_adapters.adapters.news.adapter_down.0.weight", "layer.1.output_adapters.adapters.news.adapter_up.bias")]
    public void An_adapter_is_saved_under_the_librarys_keys_and_read_again_under_another_name(string type, string down, string up)
    {
        using var model = new TinyTransformer(type);
        using var peft = model.ApplyAdapter(BottleneckOptions.Houlsby with { ReductionFactor = 2, Scaling = BottleneckScaling.Learned, Invertible = "nice", OwnNormAfter = true }, "news");
        peft.Shake();
        var before = model.call(ids);
        peft.SaveToAdapterHub(folder, "news");
        using (var file = SafetensorsFile.Open(folder["adapter.safetensors"]))
        {
            file.Keys.ShouldContain(down);
            file.Keys.ShouldContain(up);
            file.Keys.ShouldContain("layer.invertible_adapters.news.F.0.weight");
        }
        var config = JsonNode.Parse(File.ReadAllText(folder["adapter_config.json"]))!;
        config["name"]!.GetValue<string>().ShouldBe("news");
        config["hidden_size"]!.GetValue<int>().ShouldBe(TinyTransformer.Size);
        config["config"]!["mh_adapter"]!.GetValue<bool>().ShouldBeTrue();
        config["config"]!["scaling"]!.GetValue<string>().ShouldBe("learned");
        config["config"]!.AsObject().ContainsKey("peft_type").ShouldBeFalse();

        peft.LoadFromAdapterHub(folder, "again");
        peft.Activate("again");
        model.call(ids).Difference(before).ShouldBe(0);
        Should.Throw<AdapterExistsException>(() => peft.LoadFromAdapterHub(folder));
    }

    [Theory]
    [InlineData("""{"name":"a","name":"b","config":{}}""")]
    [InlineData("""{"name":"a","config":{"mh_adapter":true,"mh_adapter":false}}""")]
    [InlineData("""{"name":"\ud800","config":{}}""")]
    [InlineData("""{"name":"a","config":{"non_linearity":"\ud800"}}""")]
    [InlineData("""{"name":7,"config":{}}""")]
    [InlineData("""{"name":null,"config":null}""")]
    [InlineData("""{"name":"../evil","config":{"mh_adapter":true,"output_adapter":true,"reduction_factor":2,"non_linearity":"relu"}}""")]
    [InlineData("null")]
    [InlineData("")]
    public void A_configuration_that_no_reader_can_take_is_refused_by_name(string json)
    {
        using var model = new TinyTransformer("bert");
        using (var peft = model.ApplyAdapter(BottleneckOptions.Houlsby, "a")) peft.SaveToAdapterHub(folder, "a");
        File.WriteAllText(folder[AdapterConfig.FileName], json);
        using var other = new PeftModel(model);
        Should.Throw<PeftException>(() => other.LoadFromAdapterHub(folder)).Message.ShouldContain(json.Contains("evil", StringComparison.Ordinal) ? "../evil" : AdapterConfig.FileName);
        other.Adapters.ShouldBeEmpty();
        File.Delete(folder[AdapterConfig.FileName]);
        Directory.CreateDirectory(folder[AdapterConfig.FileName]);
        Should.Throw<CheckpointException>(() => other.LoadFromAdapterHub(folder));
    }

    [Fact]
    public void A_file_that_does_not_fit_or_is_of_another_kind_is_refused_and_leaves_the_model_as_it_was()
    {
        using var model = new TinyTransformer("bert");
        using var peft = model.ApplyAdapter(BottleneckOptions.Compacter with { ReductionFactor = 2, HypercomplexSize = 2 }, "a");
        peft.SaveToAdapterHub(folder, "a");
        using var other = new TinyTransformer("llama");
        var bits = other.Bits();
        using var llama = new PeftModel(other);
        Should.Throw<AdapterMismatchException>(() => llama.LoadFromAdapterHub(folder)).Message.ShouldContain("missing");
        llama.Adapters.ShouldBeEmpty();

        var config = folder["adapter_config.json"];
        File.WriteAllText(config, """{ "name": "x", "config": { "architecture": "prefix_tuning" } }""");
        Should.Throw<AdapterOptionsException>(() => llama.LoadFromAdapterHub(folder)).Message.ShouldContain("prefix_tuning");
        File.WriteAllText(config, "{}");
        Should.Throw<CheckpointException>(() => llama.LoadFromAdapterHub(folder)).Message.ShouldContain("adapter_config.json");
        llama.Adapters.ShouldBeEmpty();
        other.ShouldHaveBits(bits);
        peft.Add("vectors", new Ia3Options { TargetModules = ["query"] });
        Should.Throw<AdapterOptionsException>(() => peft.SaveToAdapterHub(folder, "vectors")).Message.ShouldContain("IA3");
    }

    [Fact]
    public void A_union_of_methods_is_one_adapter()
    {
        var options = new UnionOptions { Parts = [BottleneckOptions.ScaledParallel, new Ia3Options { TargetModules = ["query", "output.dense"] }] };
        using var model = new TinyTransformer("bert");
        using var peft = model.ApplyAdapter(options);
        peft.Shake();
        var before = model.call(ids);
        peft.RecommendedLearningRate.ShouldBe(1e-4);
        peft.SaveAdapter(folder);
        peft.Unload();
        using var again = model.ApplyAdapter(folder, trainable: true);
        model.call(ids).Difference(before).ShouldBe(0);
        again.Trainables.Count.ShouldBe(2 * 5 + 2 + 4);   // a bottleneck of five tensors per layer, a vector at each query and each output
        again.Unload();

        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(new UnionOptions())).Message.ShouldContain("empty");
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(options with { Parts = [.. options.Parts, options.Parts[1]] })).Message.ShouldContain("ia3_l");
    }
}
