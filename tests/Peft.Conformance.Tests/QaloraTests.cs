using Peft.Checkpoints;
using Peft.Conformance.Tests.Quantization;
using Peft.Models;
using Peft.Modules;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests;

/// <summary>QA-LoRA as Hugging Face PEFT computes it, and its merge.</summary>
public class QaloraTests
{
    private static readonly LoraOptions Options = new() { Rank = 4, Alpha = 8, UseQalora = true, QaloraGroupSize = 32, TargetModules = ["q_proj", "down_proj"] };

    [Theory]
    [InlineData("a", 24, 10, 3, 4, 6, false)]
    [InlineData("b", 32, 32, 4, 16, 8, true)]
    public void Outputs_and_gradients_are_those_of_PEFT(string name, long inputs, long outputs, int rank, int size, double alpha, bool rslora)
    {
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(Path.Combine(Oracle.Folder, "qalora", "layers.safetensors"));
        using var model = nn.Sequential(("layer", new Linear(inputs, outputs)));
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = rank, Alpha = alpha, UseRslora = rslora, UseQalora = true, QaloraGroupSize = size, TargetModules = ["layer"] });
        using (no_grad())
        {
            model.get_parameter("layer.weight")!.copy_(file.Read(name + ".weight"));
            model.get_parameter("layer.bias")!.copy_(file.Read(name + ".bias"));
        }
        var tensors = peft.Trainables.ToDictionary(each => each.Value.shape[1] == inputs / size && each.Value.shape[0] == rank ? "A" : "B", each => each.Value);
        using (no_grad()) foreach (var (factor, value) in tensors) value.copy_(file.Read($"{name}.{factor}"));
        var x = file.Read(name + ".x").requires_grad_();
        var y = model.call(x);
        y.RelativeDifference(file.Read(name + ".y")).ShouldBeLessThan(1e-5);
        (y * file.Read(name + ".g")).sum().backward();
        x.grad!.RelativeDifference(file.Read(name + ".grad_x")).ShouldBeLessThan(1e-5);
        foreach (var (factor, value) in tensors) value.grad!.RelativeDifference(file.Read($"{name}.grad_{factor}")).ShouldBeLessThan(1e-5);

        // The update is the same for all inputs of a group.
        using var _ = no_grad();
        var before = model.get_parameter("layer.weight")!.clone();
        peft.Merge();
        model.call(x).RelativeDifference(file.Read(name + ".y")).ShouldBeLessThan(1e-5);
        var update = (model.get_parameter("layer.weight")! - before).view(outputs, -1, size);
        (update - update.mean([2], keepdim: true)).Largest().ShouldBeLessThan(1e-5);
    }

    [Fact]
    public void On_a_base_of_GPTQ()
    {
        using var scope = NewDisposeScope();
        using var model = Stories.Model();
        var samples = Stories.Batches();
        model.Quantize(QuantizationOptions.Gptq(4, 32), samples.Take(1));
        using var peft = model.ApplyAdapter(Options);
        var shapes = peft.Trainables.Select(each => string.Join(",", each.Value.shape)).Distinct().Order(StringComparer.Ordinal);
        shapes.ShouldBe(["4,2", "4,6", "64,4"]);
        peft.Shake(0.1, 5);   // larger updates multiply the rounding of each layer in the next, in torch's operations too
        using var _ = no_grad();
        var expected = model.call(samples[0].InputIds);
        using (peft.WithoutAdapters()) model.call(samples[0].InputIds).RelativeDifference(expected).ShouldBeGreaterThan(1e-3);
        using var folder = new TemporaryFolder();
        peft.SaveAdapter(folder);
        var saved = AdapterConfig.Read(folder).ShouldBeOfType<LoraOptions>();
        (saved.UseQalora, saved.QaloraGroupSize).ShouldBe((true, 32));
        using (var other = Stories.Model())
        {
            other.Quantize(QuantizationOptions.Gptq(4, 32), samples.Take(1));
            using var loaded = other.ApplyAdapter(folder);
            other.call(samples[0].InputIds).ShouldBeExactly(expected);
        }
        Should.Throw<PeftException>(() => peft.Merge()).Message.ShouldContain("dequantize: true");
        peft.MergeAndUnload(dequantize: true);
        model.call(samples[0].InputIds).RelativeDifference(expected).ShouldBeLessThan(1e-5);
    }

    [Fact]
    public void A_plain_LoRA_has_the_same_update()
    {
        using var scope = NewDisposeScope();
        using var model = Stories.Model();
        using var peft = model.ApplyAdapter(Options);
        peft.Shake(1, 5);
        using var _ = no_grad();
        var ids = Stories.Batches()[0].InputIds;
        var expected = model.call(ids);
        using var folder = new TemporaryFolder();
        peft.SaveAsPlainLora(folder);
        using var other = Stories.Model();
        using var plain = other.ApplyAdapter(folder);
        AdapterConfig.Read(folder).ShouldBeOfType<LoraOptions>().UseQalora.ShouldBeFalse();
        other.call(ids).RelativeDifference(expected).ShouldBeLessThan(1e-5);
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var model = Stories.Model();
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(Options with { QaloraGroupSize = 24 })).Message.ShouldContain("64 inputs, which QaloraGroupSize 24 does not divide");
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(Options with { QaloraGroupSize = 0 }));
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(Options with { UseDora = true })).Message.ShouldContain("cannot be combined");
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(Options with { TargetModules = ["embed_tokens"] })).Message.ShouldContain("UseQalora");
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(Options with { Initialization = LoraInitialization.Pissa }));
    }
}
