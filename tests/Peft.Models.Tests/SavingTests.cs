using Peft.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

public sealed class SavingTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly IDisposable grad = no_grad();

    public void Dispose()
    {
        grad.Dispose();
        scope.Dispose();
        folder.Dispose();
    }

    private string Into(string name) => folder[name];

    public static TheoryData<string> Decoders => [.. GenerationTests.Bases];

    [Theory, MemberData(nameof(Decoders))]
    public void A_model_comes_back_bit_for_bit_with_the_keys_of_its_source(string name)
    {
        using var model = CausalLM.FromPretrained(Reference.Folder(name));
        model.SavePretrained(Into("saved"));
        using var source = ShardedCheckpoint.Open(Reference.Folder(name));
        using var saved = SafetensorsFile.Open(Path.Combine(Into("saved"), "model.safetensors"));
        saved.Metadata["format"].ShouldBe("pt");
        saved.Keys.ShouldBe(source.Tensors.Keys, ignoreOrder: true);
        foreach (var key in saved.Keys) saved.Read(key).bytes.SequenceEqual(source.Read(key).bytes).ShouldBeTrue(key);

        using var again = CausalLM.FromPretrained(Into("saved"));
        var ids = Reference.Values(name)["input_ids"];
        again.forward(ids).bytes.SequenceEqual(model.forward(ids).bytes).ShouldBeTrue();
        Directory.GetFiles(Into("saved")).Select(Path.GetFileName).ShouldBe(["config.json", "generation_config.json", "model.safetensors"], ignoreOrder: true);
    }

    [Theory, MemberData(nameof(Decoders))]
    public void The_configuration_keeps_all_of_its_fields(string name)
    {
        using var model = CausalLM.FromPretrained(Reference.Folder(name));
        model.SavePretrained(folder);
        foreach (var file in new[] { "config.json", "generation_config.json" })
        {
            var fields = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(Path.Combine(Reference.Folder(name), file)));
            System.Text.Json.Nodes.JsonNode.DeepEquals(System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(Into(file))), fields).ShouldBeTrue(file);
        }
    }

    [Theory]
    [InlineData("llama", ScalarType.Float16, "float16")]
    [InlineData("gemma", ScalarType.BFloat16, "bfloat16")]
    public void Half_types_are_kept(string name, ScalarType type, string said)
    {
        using var model = CausalLM.FromPretrained(Reference.Folder(name), new LoadOptions { Dtype = type });
        model.SavePretrained(folder);
        ModelConfig.FromFolder(folder)["dtype"]!.ToString().ShouldBe(said);
        using var again = CausalLM.FromPretrained(folder, new LoadOptions { Dtype = type });
        using var file = ShardedCheckpoint.Open(folder);
        file.Tensors.Values.ShouldAllBe(entry => entry.Type == type);
        var state = model.state_dict();
        foreach (var (key, value) in again.state_dict()) value.bytes.SequenceEqual(state[key].bytes).ShouldBeTrue(key);
    }

    [Fact]
    public void Large_models_are_split_into_shards_and_read_from_them()
    {
        using var model = CausalLM.FromPretrained(Reference.Folder("gpt2"));
        model.SavePretrained(folder);
        model.SavePretrained(folder, maxShardBytes: 20_000);
        File.Exists(Into("model.safetensors")).ShouldBeFalse();
        File.Exists(Into("model.safetensors.index.json")).ShouldBeTrue();
        Directory.GetFiles(folder, "model-*").Length.ShouldBeGreaterThan(3);
        using var again = CausalLM.FromPretrained(folder);
        var ids = Reference.Values("gpt2")["input_ids"];
        again.forward(ids).bytes.SequenceEqual(model.forward(ids).bytes).ShouldBeTrue();
    }

    [Fact]
    public void A_failed_save_leaves_the_folder_as_it_was()
    {
        using var model = CausalLM.FromPretrained(Reference.Folder("llama"));
        model.SavePretrained(folder);
        var before = Directory.GetFiles(folder).ToDictionary(path => path, File.ReadAllBytes);
        File.Delete(Into("config.json"));
        Directory.CreateDirectory(Into("config.json"));   // no file can take this name
        using var other = CausalLM.FromConfig(ModelConfig.FromFolder(Reference.Folder("llama")), seed: 5);
        Should.Throw<CheckpointException>(() => other.SavePretrained(folder)).Message.ShouldContain("config.json");
        before.Remove(Into("config.json"));
        Directory.GetFiles(folder).ShouldBe(before.Keys, ignoreOrder: true);
        foreach (var (path, content) in before) File.ReadAllBytes(path).ShouldBe(content);
    }

    [Fact]
    public void A_classifier_says_its_class_and_labels()
    {
        using var model = SequenceClassifier.FromPretrained(Reference.Folder("llama"), new LoadOptions { LabelCount = 3 });
        model.SavePretrained(folder);
        var config = ModelConfig.FromFolder(folder);
        config["architectures"]![0]!.ToString().ShouldBe("LlamaForSequenceClassification");
        config["id2label"]!.ToJsonString().ShouldBe("""{"0":"LABEL_0","1":"LABEL_1","2":"LABEL_2"}""");
        config.Has("num_labels").ShouldBeFalse();

        model.SavePretrained(folder, labels: ["bad", "fair", "good"]);
        ModelConfig.FromFolder(folder)["label2id"]!.ToJsonString().ShouldBe("""{"bad":0,"fair":1,"good":2}""");
        using var again = SequenceClassifier.FromPretrained(folder);
        again.LabelCount.ShouldBe(3);
        again.InitializedParameters.ShouldBeEmpty();
        again.Head.Weight.Difference(model.Head.Weight).ShouldBe(0);
        Should.Throw<ArgumentException>(() => model.SavePretrained(folder, labels: ["one"])).Message.ShouldContain("3 classes");
        Should.Throw<ArgumentException>(() => model.SavePretrained(folder, labels: ["a", "a", "b"]));
        using var decoder = CausalLM.FromPretrained(Reference.Folder("llama"));
        Should.Throw<ArgumentException>(() => decoder.SavePretrained(folder, labels: ["a"])).Message.ShouldContain("no classes");
    }

    [Theory]
    [InlineData("gpt2", "GPT2ForSequenceClassification")]
    [InlineData("phi3", "Phi3ForSequenceClassification")]
    public void A_new_head_changes_the_class(string name, string expected)
    {
        using var model = SequenceClassifier.FromPretrained(Reference.Folder(name));
        model.SavePretrained(folder);
        ModelConfig.FromFolder(folder)["architectures"]![0]!.ToString().ShouldBe(expected);
    }

    [Fact]
    public void A_model_without_a_class_in_its_configuration_gets_one()
    {
        using var model = CausalLM.FromConfig(ModelConfig.FromFolder(Reference.Folder("gpt2")).With("architectures", null).With("dtype", null));
        model.SavePretrained(folder);
        var config = ModelConfig.FromFolder(folder);
        config["architectures"]![0]!.ToString().ShouldBe("GPT2LMHeadModel");
        config["dtype"]!.ToString().ShouldBe("float32");
        File.Exists(Into("generation_config.json")).ShouldBeFalse();
    }
}
