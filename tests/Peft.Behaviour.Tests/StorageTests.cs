using Peft.Models;
using Peft.Quantization;
using TorchSharp;
using static Peft.Behaviour.Tests.SmallModel;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

/// <summary>A method cannot tell how a module holds its weight.</summary>
public sealed class StorageTests : BehaviourTests
{
    /// <summary>All but full fine-tuning, which trains parameters.</summary>
    public static TheoryData<string> EveryAdapter => [.. Sample.Methods.Where(method => method != "FULL")];

    [Theory, MemberData(nameof(EveryAdapter))]
    public void A_weight_that_is_no_parameter_gives_the_same_outputs_gradients_and_merged_model(string method)
    {
        using var plain = Create();
        using var model = Create();
        var packed = PackedStorage.Pack(model);
        packed.Count.ShouldBe(14);
        var before = packed.Select(weight => weight.Read().Bits()).ToList();
        using var expected = plain.Adapt(method).Shake(0.1, seed: 2);
        using var peft = model.Adapt(method).Shake(0.1, seed: 2);
        var output = Compared(plain, expected, model, peft);
        try
        {
            peft.Merge();
        }
        catch (NotMergeableException)
        {
            Should.Throw<NotMergeableException>(() => expected.Merge());
            packed.Select(weight => weight.Read().Bits()).Zip(before).ShouldAllBe(pair => Enumerable.SequenceEqual(pair.First, pair.Second));
            return;
        }
        model.Logits().ShouldBeNear(output);
        using (peft.WithoutAdapters())
        using (expected.WithoutAdapters()) model.Logits().ShouldBeNear(plain.Logits());
        peft.Unmerge();
        packed.Select(weight => weight.Read().Bits()).Zip(before).ShouldAllBe(pair => Enumerable.SequenceEqual(pair.First, pair.Second));
        peft.MergeAndUnload();
        model.Logits().ShouldBeNear(output);
    }

    [Theory, MemberData(nameof(EveryAdapter))]
    public void A_quantized_weight_gives_what_its_dequantized_values_give(string method)
    {
        foreach (var kind in new QuantizationOptions[] { QuantizationOptions.Nf4(doubleQuantization: true), QuantizationOptions.LlmInt8() })
        {
            using var plain = Create().Quantize(kind).Dequantize();
            using var model = Create().Quantize(kind);
            model.QuantizedWeights().Count.ShouldBe(14);
            float[][] Values() => [.. model.QuantizedWeights().Values.Select(weight => weight.Read().Values<float>())];
            var before = Values();
            using var expected = plain.Adapt(method).Shake(0.05, seed: 2);
            using var peft = model.Adapt(method).Shake(0.05, seed: 2);
            var output = Compared(plain, expected, model, peft);
            try
            {
                peft.Merge();
            }
            catch (NotMergeableException)
            {
                Should.Throw<NotMergeableException>(() => expected.Merge());
                Values().ShouldBe(before);
                continue;
            }
            peft.Unmerge();   // exact, although merged weights are rounded again
            Values().ShouldBe(before);
            model.Logits().ShouldBeNear(output);
            peft.MergeAndUnload(dequantize: true);
            model.QuantizedWeights().ShouldBeEmpty();
            model.Logits().ShouldBeNear(output);
        }
    }

    [Theory, MemberData(nameof(EveryAdapter))]
    public void An_adapter_moves_between_a_plain_and_a_packed_model(string method)
    {
        using var plain = Create();
        using var model = Create();
        PackedStorage.Pack(model);
        using (var peft = model.Adapt(method).Shake(0.1, seed: 2)) peft.SaveAdapter(Folder);
        using var loaded = Load(plain, method);
        using var back = Load(model, method);
        model.Logits().ShouldBeNear(plain.Logits());
    }

    // The outputs of two models, after a comparison of outputs and gradients.
    private static Tensor Compared(CausalLM plain, PeftModel expected, CausalLM model, PeftModel peft)
    {
        var output = model.Logits();
        output.ShouldBeNear(plain.Logits());
        using var batch = Batch();
        manual_seed(5);
        plain.Loss(batch).backward();
        manual_seed(5);
        model.Loss(batch).backward();
        peft.Trainables.Count.ShouldBe(expected.Trainables.Count);
        foreach (var (one, other) in peft.Trainables.Zip(expected.Trainables)) one.Value.grad!.ShouldBeNear(other.Value.grad!);
        return output;
    }

    private PeftModel Load(CausalLM model, string method)
    {
        var peft = new PeftModel(model);
        Sample.Of(method).Prepare(peft);
        peft.LoadAdapter(Folder, "loaded");
        peft.Activate("loaded");
        return peft;
    }

    [Fact]
    public void Reading_such_a_weight_as_a_parameter_names_the_remedy()
    {
        using var model = Create();
        PackedStorage.Pack(model);
        var linear = model.named_modules().Select(pair => pair.module).OfType<Modules.Linear>().First(linear => linear.Storage.Parameter is null);
        Should.Throw<PeftException>(() => linear.Weight).Message.ShouldContain("Storage.Read()");
        model.named_parameters().Count(pair => pair.name.EndsWith("_proj.weight", StringComparison.Ordinal)).ShouldBe(0);
    }

    [Fact]
    public void Full_fine_tuning_of_such_a_weight_is_refused()
    {
        using var model = Create();
        PackedStorage.Pack(model);
        Should.Throw<AdapterOptionsException>(() => model.Adapt("FULL")).Message.ShouldContain("layers.0.self_attn.q_proj is stored as PackedStorage");
    }

    [Fact]
    public void The_backward_pass_keeps_no_copy_of_the_weight()
    {
        using var scope = NewDisposeScope();
        var weight = PackedStorage.Of(randn(64, 32));
        var input = randn(8, 32, requires_grad: true);
        var output = weight.Multiply(input);
        var slopes = randn(8, 64);
        output.backward([slopes]);
        using var values = weight.Read();
        output.Difference(input.matmul(values.t())).ShouldBeLessThan(1e-5);
        input.grad!.Difference(slopes.matmul(values)).ShouldBeLessThan(1e-5);
    }
}
