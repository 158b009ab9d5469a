using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Checkpoints;
using Peft.Models;
using Peft.Quantization;
using Peft.Quantization.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>Adapters on quantized bases.</summary>
public class QuantizedCaseTests
{
    public static TheoryData<string> Cases => QuantizedOracle.Ids("cases", "cases");

    public static TheoryData<string> Training => QuantizedOracle.Ids("cases", "cases", each => each.GetProperty("supports").GetProperty("train").GetBoolean());

    public static TheoryData<string> Merging => QuantizedOracle.Ids("cases", "cases", each => each.GetProperty("supports").GetProperty("merge").GetBoolean());

    public static TheoryData<string> Refused => QuantizedOracle.Ids("cases", "peft_refuses");

    [Theory, MemberData(nameof(Cases))]
    public void Logits_and_loss(string id)
    {
        using var @case = Load(id);
        @case.Expected.ShouldEqual("adapted_logits", @case.Logits());
        @case.Expected.ShouldEqual("loss", @case.Loss().reshape(1));
    }

    [Theory, MemberData(nameof(Training))]
    public void Gradients(string id)
    {
        using var @case = Load(id, trains: true);
        @case.Loss().backward();
        @case.Expected.ShouldEqual("grad.", key => @case.Gradient(key));
    }

    [Theory, MemberData(nameof(Training))]
    public void Losses_and_tensors_of_five_training_steps(string id)
    {
        using var @case = Load(id, trains: true);
        var settings = @case.Info.Json.GetProperty("training");
        var losses = @case.Train(settings.GetProperty("steps").GetInt32(), new AdamWOptions { WeightDecay = settings.GetProperty("weight_decay").GetDouble() }, settings.GetProperty("lr").GetDouble());
        @case.Expected.ShouldEqual("loss_trajectory", losses);
        @case.Expected.ShouldEqual("trained.", @case.Find);
        @case.Expected.ShouldEqual("trained_logits", @case.Logits());
    }

    [Theory, MemberData(nameof(Merging))]
    public void Merging_quantizes_again_and_unmerging_is_exact(string id)
    {
        using var @case = Load(id);
        var weights = @case.Model.QuantizedWeights();
        var before = weights.ToDictionary(pair => pair.Key, pair => pair.Value.Read());
        var unmerged = @case.Logits();
        @case.Peft.Merge(safe: true);
        using var merged = SafetensorsFile.Open(Path.Combine(@case.Info.Folder, "merged.safetensors"));
        var format = CheckpointFormat.Of(JsonNode.Parse("""{"quant_method": "bitsandbytes"}"""), "config.json")!;
        foreach (var (path, weight) in weights.Where(pair => merged.Tensors.ContainsKey(pair.Key + ".weight")))
        {
            using var theirs = format.Read(merged, path, weight.Matrix.Rows, weight.Matrix.Columns, CPU);
            weight.Matrix.Dequantize().Difference(theirs.Dequantize()).ShouldBeLessThan(1e-6);   // a code that differs would differ by 1e-3 and more
        }
        @case.Expected.ShouldEqual("merged_logits", @case.Logits());
        @case.Peft.MergeErrors.Count.ShouldBe(@case.Peft.Find(PeftModel.DefaultName).Layers.Where(layer => layer.ChangesWeight && weights.ContainsKey(layer.Target.Path)).Select(layer => layer.Target.Path).Distinct().Count());
        @case.Peft.Unmerge();
        foreach (var (path, values) in before) weights[path].Read().ShouldBeExactly(values);
        @case.Logits().ShouldBeExactly(unmerged);
    }

    [Theory, MemberData(nameof(Merging))]
    public void A_dequantized_merge_computes_what_was_trained(string id)
    {
        using var @case = Load(id);
        var unmerged = @case.Logits();
        @case.Peft.MergeAndUnload(dequantize: true);
        @case.Model.QuantizedWeights().ShouldBeEmpty();
        @case.Logits().Difference(unmerged).ShouldBeLessThan(1e-4);
    }

    [Fact]
    public void LLM_int8_with_rounded_inputs_has_the_logits_of_bitsandbytes()
    {
        using var @case = Load("lora-llama-int8");
        @case.Model.QuantizeInputs();
        QuantizedBaseTests.ShouldBeRounded(@case.Logits(), @case.Expected.Read("int8_logits"), @case.Expected.Read("adapted_logits"));
    }

    // What Hugging Face PEFT refuses, or crashes at, follows the law here: forward equals merge into the dequantized model.
    [Theory, MemberData(nameof(Refused))]
    public void What_Hugging_Face_PEFT_cannot_do_works_or_is_refused_by_name(string id)
    {
        using var scope = NewDisposeScope();
        var entry = QuantizedOracle.Entry("cases", id, "peft_refuses");
        using var model = CausalLM.FromPretrained(QuantizedBaseTests.FolderOf(entry.GetProperty("base").GetString()!));
        ModuleSelector targets = new[] { "q_proj", "v_proj", "down_proj" };
        AdapterOptions options = id.StartsWith("oft", StringComparison.Ordinal) ? new OftOptions { TargetModules = targets, BlockSize = 4 }
            : new LoraOptions { TargetModules = targets, Rank = 4, UseDora = id.Contains("dora", StringComparison.Ordinal), Initialization = id.Contains("pissa", StringComparison.Ordinal) ? LoraInitialization.Pissa : LoraInitialization.Default };
        using var expected = new Expected(QuantizedBaseTests.FolderOf(entry.GetProperty("base").GetString()!));
        using var peft = model.ApplyAdapter(options).Shake(0.05, seed: 3);
        var adapted = AdaptedCase.Logits(model, expected);
        peft.MergeAndUnload(dequantize: true);
        AdaptedCase.Logits(model, expected).Difference(adapted).ShouldBeLessThan(1e-4);
    }

    private static AdaptedCase Load(string id, bool trains = false)
    {
        var entry = QuantizedOracle.Entry("cases", id, "cases");
        var info = new OracleCase(QuantizedOracle.Folder, id, entry.GetProperty("base").GetString()!, entry.GetProperty("method").GetString()!, "", "causal_lm");
        return new(info, CausalLM.FromPretrained(QuantizedBaseTests.FolderOf(info.Base)), trains);
    }
}
