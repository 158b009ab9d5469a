using Peft.Checkpoints;
using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests;

/// <summary>Arrow against Hugging Face PEFT's <c>create_arrow_model</c>: three LoRA adapters of a Llama, and two of general knowledge.</summary>
public sealed class ArrowTests : IDisposable
{
    private const double Rounding = 2e-4;   // float32, two layers, logits of about 10

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly TemporaryFolder folder = new();
    private readonly CausalLM model = (CausalLM)AdaptedCase.LoadBase("llama");

    public ArrowTests() => model.eval();

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
        scope.Dispose();
    }

    private static string Folder(params string[] parts) => Path.Combine([Oracle.Folder, "arrow", .. parts]);

    private static string[] Adapters(string kind, int count) => [.. Enumerable.Range(0, count).Select(i => Folder("adapters", $"{kind}_{i}"))];

    private static ArrowOptions Router(string name) => ((LoraOptions)AdapterConfig.Read(Folder(name, "arrow_router"))).Arrow!;

    private Tensor Logits()
    {
        using var _ = no_grad();
        using var io = SafetensorsFile.Open(Path.Combine(Oracle.Base("llama"), "io.safetensors"));
        return model.forward(new ModelInput { InputIds = io.Read("input_ids"), AttentionMask = io.Read("attention_mask") });
    }

    [Theory]
    [InlineData("top2")]
    [InlineData("all-warm")]
    [InlineData("gks")]
    public void Logits_and_prototypes_are_those_of_Hugging_Face_PEFT(string name)
    {
        using var expected = SafetensorsFile.Open(Folder(name, "expected.safetensors"));
        var options = Router(name);
        using var peft = model.ApplyArrow(Adapters("task", 3), options, options.SubtractsGeneral ? Adapters("gks", 2) : null);
        peft.Active.ShouldBe([ArrowExtensions.RouterName]);
        peft.Trainables.ShouldBeEmpty();
        Logits().Difference(expected.Read("logits")).ShouldBeLessThan(Rounding);
        var prototypes = peft.Find(ArrowExtensions.RouterName).Layers.ToDictionary(layer => $"prototypes.{layer.Target.Path}", layer => layer.Tensors.Single(tensor => tensor.Name.EndsWith("prototypes", StringComparison.Ordinal)).Value);
        var keys = expected.Keys.Where(key => key.StartsWith("prototypes.", StringComparison.Ordinal)).ToList();
        keys.Count.ShouldBe(6);
        foreach (var key in keys) prototypes[key].Difference(expected.Read(key)).ShouldBeLessThan(1e-5, key);

        // The experts stay as they were, and are not needed any more.
        peft.Activate("task_1");
        var alone = Logits();
        using (var other = (CausalLM)AdaptedCase.LoadBase("llama"))
        using (other.ApplyAdapter(Folder("adapters", "task_1")))
        {
            other.eval();
            using var io = SafetensorsFile.Open(Path.Combine(Oracle.Base("llama"), "io.safetensors"));
            using var _ = no_grad();
            other.forward(new ModelInput { InputIds = io.Read("input_ids"), AttentionMask = io.Read("attention_mask") }).Difference(alone).ShouldBe(0);
        }
        peft.Activate(ArrowExtensions.RouterName);
        peft.Delete("task_0");
        Logits().Difference(expected.Read("logits")).ShouldBeLessThan(Rounding);
        Should.Throw<NotMergeableException>(() => peft.Merge());
        Should.Throw<AdapterOptionsException>(() => peft.SaveAsPlainLora(folder, ArrowExtensions.RouterName)).Message.ShouldContain("router");
    }

    [Fact]
    public void A_router_is_saved_as_Hugging_Face_PEFT_saves_it_and_loaded_beside_its_experts()
    {
        using var peft = model.ApplyArrow(Adapters("task", 3), Router("top2"));
        var before = Logits();
        peft.SaveAdapter(folder, ArrowExtensions.RouterName);
        var own = folder[ArrowExtensions.RouterName];
        using (SafetensorsFile ours = SafetensorsFile.Open(Path.Combine(own, AdapterCheckpoint.FileName)), theirs = SafetensorsFile.Open(Folder("top2", "arrow_router", AdapterCheckpoint.FileName)))
        {
            ours.Keys.Order().ShouldBe(theirs.Keys.Order());
            foreach (var key in ours.Keys) ours.Tensors[key].Shape.ShouldBe(theirs.Tensors[key].Shape, key);
        }
        foreach (var source in new[] { own, Folder("top2", "arrow_router") })
        {
            peft.Delete(ArrowExtensions.RouterName);
            peft.LoadAdapter(source, ArrowExtensions.RouterName);
            peft.Activate(ArrowExtensions.RouterName);
            Logits().Difference(before).ShouldBe(0, source);
        }
        peft.Delete("task_2");
        Should.Throw<PeftException>(() => peft.LoadAdapter(own, "again")).Message.ShouldContain("task_2");
    }

    [Fact]
    public void Without_a_seed_the_prototypes_are_the_singular_vectors_themselves()
    {
        using var peft = model.ApplyArrow(Adapters("task", 3), new ArrowOptions { TopExperts = 1 });
        var checkedModules = 0;
        foreach (var layer in peft.Find(ArrowExtensions.RouterName).Layers)
        {
            var prototypes = layer.Tensors.Single(tensor => tensor.Name.EndsWith("prototypes", StringComparison.Ordinal)).Value;
            for (var i = 0; i < 3; i++)
            {
                var expert = peft.Find($"task_{i}").Layers.Single(each => each.Target == layer.Target);
                var product = expert.Tensors.Single(tensor => tensor.Name == "lora_B.weight").Value.mm(expert.Tensors.Single(tensor => tensor.Name == "lora_A.weight").Value);
                var (_, _, vt) = linalg.svd(product.to_type(ScalarType.Float64), fullMatrices: false);
                prototypes[i].to_type(ScalarType.Float64).dot(vt[0]).abs().item<double>().ShouldBe(1, 1e-5);   // unit vectors, up to the sign
                checkedModules++;
            }
        }
        checkedModules.ShouldBe(18);
    }

    [Fact]
    public void What_cannot_be_mixed_is_refused_and_leaves_the_model_as_it_was()
    {
        var before = Logits();
        Should.Throw<AdapterOptionsException>(() => model.ApplyArrow([])).Message.ShouldContain("Experts");
        Should.Throw<AdapterOptionsException>(() => model.ApplyArrow(Adapters("task", 2))).Message.ShouldContain("TopExperts is 3");
        Should.Throw<AdapterOptionsException>(() => model.ApplyArrow(Adapters("task", 3), new ArrowOptions { SubtractsGeneral = true })).Message.ShouldContain("General");
        Should.Throw<AdapterOptionsException>(() => model.ApplyArrow(Adapters("task", 3), general: Adapters("gks", 2))).Message.ShouldContain("SubtractsGeneral");
        Should.Throw<AdapterOptionsException>(() => model.ApplyArrow(Adapters("task", 3), new ArrowOptions { Temperature = 0 })).Message.ShouldContain("Temperature");
        foreach (var (name, options, reason) in new[]
        {
            ("rank", new LoraOptions { Rank = 2, TargetModules = ["q_proj", "v_proj", "down_proj"] }, "rank 2"), ("modules", new LoraOptions { Rank = 4, TargetModules = ["q_proj"] }, "different modules"),
            ("dora", new LoraOptions { Rank = 4, UseDora = true, TargetModules = ["q_proj", "v_proj", "down_proj"] }, "UseDora"),
        })
        {
            using (var peft = model.ApplyAdapter(options)) peft.SaveAdapter(folder[name]);
            Should.Throw<AdapterOptionsException>(() => model.ApplyArrow([.. Adapters("task", 2), folder[name]])).Message.ShouldContain(reason);
        }
        Should.Throw<PeftException>(() => model.ApplyAdapter(Folder("top2", "arrow_router"))).Message.ShouldContain("task_0");
        Logits().Difference(before).ShouldBe(0);
    }
}
