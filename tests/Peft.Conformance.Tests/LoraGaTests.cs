using Peft.Checkpoints;
using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests;

/// <summary>LoRA-GA's initial factors against Hugging Face PEFT's.</summary>
public sealed class LoraGaTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    public static TheoryData<string> Cases => [.. Oracle.Folders("loraga")];

    [Theory, MemberData(nameof(Cases))]
    public void Factors_and_what_they_take_from_the_weight_are_those_of_Hugging_Face_PEFT(string name)
    {
        var folder = Path.Combine(Oracle.Folder, "loraga", name);
        var origin = name[..name.IndexOf('-', StringComparison.Ordinal)];
        using var expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        using var io = SafetensorsFile.Open(Path.Combine(Oracle.Base(origin), "io.safetensors"));
        using var model = AdaptedCase.LoadBase(origin);
        var ids = io.Read("input_ids");
        var before = Logits();
        using var peft = model.ApplyAdapter(AdapterConfig.Read(folder));
        Batch Rows(int first, int count) => new() { InputIds = ids.narrow(0, first, count), AttentionMask = io.Read("attention_mask").narrow(0, first, count), Labels = io.Read("labels").narrow(0, first, count) };
        peft.InitializeLoraGa([Rows(0, 1), Rows(1, (int)ids.shape[0] - 1)], model.Loss);
        Logits().Difference(before).ShouldBeLessThan(1e-4);   // float32, logits of about 1

        var tensors = peft.Find("default").Tensors.ToDictionary(pair => pair.Key, pair => pair.Tensor.Value);
        foreach (var key in expected.Keys.Where(key => key.StartsWith("init.", StringComparison.Ordinal) && key.Contains("lora_A", StringComparison.Ordinal)).Select(key => key["init.".Length..]))
        {
            var other = key.Replace("lora_A", "lora_B", StringComparison.Ordinal);
            var (a, b, theirA, theirB) = ((Tensor)tensors[key], (Tensor)tensors[other], expected.Read("init." + key), expected.Read("init." + other));
            var (signA, signB) = (a.mul(theirA).sum(dim: 1).sign(), b.mul(theirB).sum(dim: 0).sign());
            if (name.EndsWith("weight_svd", StringComparison.Ordinal))
            {
                // The scale is the weight's largest singular value, as a decomposition of the rank's size estimates it, in either library with random vectors of its own.
                var scale = theirB.norm().div(b.norm());
                scale.item<float>().ShouldBe(1, 0.01f, other);
                b = b.mul(scale);
            }
            // At a quarter of the width, both decompositions have all singular vectors. In float32 those of near singular values mix by this much.
            a.mul(signA.unsqueeze(1)).Difference(theirA).ShouldBeLessThan(5e-3 * theirA.Largest(), key);
            b.mul(signB).Difference(theirB).ShouldBeLessThan(5e-3 * theirB.Largest(), other);
            // What they leave of the weight, with their signs.
            var path = key["base_model.model.".Length..^".lora_A.weight".Length];
            var target = peft.Find("default").Layers.First(layer => layer.Target.Path == path).Target;
            if (!expected.Tensors.ContainsKey($"residual.{path}.weight")) continue;
            var product = b.mul(signB).mm(a.mul(signA.unsqueeze(1))).mul(1.5);   // alpha 12, rank 8
            target.ToStored(target.ReadMatrix() - product).Difference(expected.Read($"residual.{path}.weight")).ShouldBeLessThan(5e-3 * product.Largest() + 1e-6, path);
        }

        Tensor Logits()
        {
            using var _ = no_grad();
            model.eval();
            return ((CausalLM)model).forward(new ModelInput { InputIds = ids });
        }
    }
}
