using System.Text.Json;
using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests;

/// <summary>AdaLoRA's own loop: the cases with an <c>allocated</c> folder.</summary>
public class AdaLoraTests
{
    public static TheoryData<string> Cases => Oracle.Supported(each => each.Json.TryGetProperty("allocate", out _));

    [Theory, MemberData(nameof(Cases))]
    public void Singular_values_after_each_step_and_the_adapter_that_is_left(string id)
    {
        using var @case = new AdaptedCase(id);
        var settings = @case.Info.Json.GetProperty("training");
        var allocate = @case.Info.Json.GetProperty("allocate");
        var steps = allocate.GetProperty("steps").GetInt32();
        var optimizer = new AdamWOptions { WeightDecay = settings.GetProperty("weight_decay").GetDouble() };
        var keys = @case.Expected.Below("allocate.lora_E.");
        var values = keys.ToDictionary(key => key, _ => new List<Tensor>());
        var losses = @case.Train(steps, optimizer, settings.GetProperty("lr").GetDouble(), afterStep: step =>
        {
            @case.Peft.AfterStep(step, steps);
            foreach (var key in keys)
                values[key].Add(@case.Peft.Trainables.Single(each => each.Name == key).Value.detach().clone().MoveToOuterDisposeScope());
        });

        @case.Expected.ShouldEqual("allocate.loss_trajectory", losses);
        @case.Expected.ShouldEqual("allocate.lora_E.", key => stack([.. values[key]]));
        @case.Expected.ShouldEqual("allocate.logits", @case.Logits());

        using var folder = new TemporaryFolder();
        @case.Peft.SaveAdapter(folder);
        var theirs = Path.Combine(@case.Info.Folder, "allocated");
        using (var ours = SafetensorsFile.Open(folder[AdapterCheckpoint.FileName]))
        using (var expected = SafetensorsFile.Open(Path.Combine(theirs, AdapterCheckpoint.FileName)))
        {
            ours.Tensors.Keys.Order().ShouldBe(expected.Tensors.Keys.Order());
            foreach (var key in ours.Tensors.Keys) ours.Read(key).allclose(expected.Read(key), 1e-3, 2e-4).ShouldBeTrue(key);
        }
        var pattern = JsonDocument.Parse(File.ReadAllText(folder[AdapterConfig.FileName])).RootElement.GetProperty("rank_pattern");
        JsonElement.DeepEquals(pattern, allocate.GetProperty("rank_pattern")).ShouldBeTrue();
        Reload(@case, folder);
        @case.Expected.ShouldEqual("allocate.logits", @case.Logits());
        Reload(@case, theirs);
        @case.Expected.ShouldEqual("allocate.logits", @case.Logits());
    }

    private static void Reload(AdaptedCase @case, string folder)
    {
        @case.Peft.Delete(PeftModel.DefaultName);
        @case.Peft.LoadAdapter(folder, trainable: true);
    }
}
