using Peft.Models;
using Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Report.Tests;

/// <summary>The norms and singular values of a page are those of the difference that merging makes.</summary>
public class UpdateReportTests
{
    public static TheoryData<string> Methods => ["LORA", "DORA", "LOHA", "IA3", "OFT"];

    [Theory, MemberData(nameof(Methods))]
    public void Norms_and_singular_values_are_those_of_what_merging_changes(string method)
    {
        using var run = new SmallRun(method switch
        {
            "DORA" => new LoraOptions { Rank = 4, UseDora = true, TargetModules = ["q_proj"] },
            "LOHA" => new LoHaOptions { Rank = 4, TargetModules = ["q_proj"] },
            "IA3" => new Ia3Options(),
            "OFT" => new OftOptions { TargetModules = ["q_proj"], BlockSize = 8 },
            _ => new LoraOptions { Rank = 4, Alpha = 16 },
        });
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        run.Peft.Shake(seed: 1);
        var updates = run.Peft.Updates("default", singularValues: true);
        updates.Count.ShouldBe(run.Peft.Status().Count);
        var before = Weights(run.Peft);
        run.Peft.Merge();
        var after = Weights(run.Peft);
        foreach (var update in updates)
        {
            var difference = after[update.Path].sub(before[update.Path]);
            var norm = difference.norm().item<float>();
            update.UpdateNorm!.Value.ShouldBe(norm, norm * 1e-3 + 1e-6, update.Path);
            update.WeightNorm.ShouldBe(before[update.Path].norm().item<float>(), 1e-2);
            update.Drift!.Value.ShouldBe(norm / update.WeightNorm, 1e-3);
            update.SingularValues.ShouldBeInOrder(SortDirection.Descending);
            Math.Sqrt(update.SingularValues.Sum(value => value * value)).ShouldBe(norm, norm * 1e-3 + 1e-6);
            if (method == "LORA") update.SingularValues.Count.ShouldBe(4);
        }
        // Merged weights do not change what is measured: it is against the base.
        run.Peft.Updates("default").Select(update => update.UpdateNorm!.Value).Zip(updates).ShouldAllBe(pair => Math.Abs(pair.First - pair.Second.UpdateNorm!.Value) <= 1e-3 * pair.First + 1e-6);
    }

    [Fact]
    public void An_untrained_adapter_has_no_drift_and_one_that_cannot_be_merged_has_no_norm()
    {
        using var lora = new SmallRun();
        lora.Peft.Updates(singularValues: true).ShouldAllBe(update => update.Drift == 0 && update.SingularValues.Count == 0 && update.StableRank == null && update.Parameters > 0);
        using var bottleneck = new SmallRun(new BottleneckOptions());
        bottleneck.Peft.Updates().ShouldNotBeEmpty();
        bottleneck.Peft.Updates().Where(update => update.Parameters > 0).ShouldAllBe(update => update.UpdateNorm == null && update.Drift == null);
        Should.Throw<AdapterNotFoundException>(() => lora.Peft.Updates("other"));
    }

    [Fact]
    public void The_weight_of_a_quantized_base_is_its_dequantized_values()
    {
        using var model = CausalLM.FromPretrained(SmallRun.Folder, new LoadOptions { Quantization = QuantizationOptions.Nf4() });
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, TargetModules = ["q_proj"] }).Shake(seed: 1);
        using var scope = NewDisposeScope();
        var target = peft.Find("default").Layers[0].Target;
        var update = peft.Updates()[0];
        update.WeightNorm.ShouldBe(target.ReadMatrix().norm().item<float>(), 1e-3);
        update.Drift!.Value.ShouldBeGreaterThan(0.1);
    }

    [Fact]
    public void Measuring_keeps_no_tensor()
    {
        using var run = new SmallRun();
        run.Peft.Shake(seed: 1);
        run.Peft.Updates(singularValues: true);
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        run.Peft.Updates(singularValues: true);
        DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount.ShouldBe(before);
    }

    private static Dictionary<string, Tensor> Weights(PeftModel model)
        => model.Find("default").Layers.Select(layer => layer.Target).DistinctBy(target => target.Path).ToDictionary(target => target.Path, target => target.ReadMatrix().clone());
}
