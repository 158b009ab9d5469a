using System.Text.Json;
using Peft.Kernels;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>AdamW with moments of 8 bits, step by step.</summary>
public class AdamW8BitTests
{
    public static TheoryData<string> Cases => QuantizedOracle.Ids("optim8", choose: each => each.GetProperty("kind").GetString() == "optimizer");

    [Theory, MemberData(nameof(Cases))]
    public void Parameters_and_states_are_those_of_bitsandbytes(string id)
    {
        using var scope = NewDisposeScope();
        using var file = QuantizedOracle.Open("optim8", id);
        var entry = QuantizedOracle.Entry("optim8", id);
        var given = entry.GetProperty("options");
        var betas = given.TryGetProperty("betas", out var pair) ? (pair[0].GetDouble(), pair[1].GetDouble()) : (0.9, 0.999);
        var options = new AdamW8BitOptions
        {
            Beta1 = betas.Item1, Beta2 = betas.Item2, WeightDecay = given.GetProperty("weight_decay").GetDouble(),
            Epsilon = given.TryGetProperty("eps", out var eps) ? eps.GetDouble() : 1e-8,
        };
        using var value = new Parameter(file.Read("start"));
        using var parameters = new FlatParameters([new TrainableTensor("p", value)], []);
        using var optimizer = options.Create(parameters, given.GetProperty("lr").GetDouble());
        for (var step = 0; step < entry.GetProperty("steps").GetInt32(); step++)
        {
            parameters.ZeroGradients();
            value.grad!.copy_(file.Read($"grad.{step}"));
            optimizer.Step();
            if (file.Tensors.ContainsKey($"after.{step}")) ShouldBeAlike(value, file.Read($"after.{step}"));
            if (entry.GetProperty("state_dtype").GetString() != "float32" || !file.Tensors.ContainsKey($"state1.{step}")) continue;
            var exact = optimizer.GetState();
            foreach (var (name, number) in new[] { ("exp_avg", 1), ("exp_avg_sq", 2) }) exact[name + ".p"].view(value.shape).RelativeDifference(file.Read($"state{number}.{step}")).ShouldBeLessThan(1e-5);
        }
        var state = optimizer.GetState();
        if (entry.GetProperty("state_dtype").GetString() == "float32")
        {
            state["exp_avg.p"].dtype.ShouldBe(ScalarType.Float32);
            return;
        }
        foreach (var (name, number, code) in new[] { ("exp_avg", 1, DynamicCode.Signed), ("exp_avg_sq", 2, DynamicCode.Unsigned) })
        {
            state[name + ".p"].dtype.ShouldBe(ScalarType.Byte);
            var mine = DynamicCode.Dequantize(state[name + ".p"], state[name + "_absmax.p"], tensor(code), 256);
            ShouldBeAlike(mine, DynamicCode.Dequantize(file.Read($"state{number}.4").view(-1), file.Read($"absmax{number}.4"), tensor(code), 256));
        }
    }

    // A code next to a midpoint may differ: 0.1% of the elements may stray.
    private static void ShouldBeAlike(Tensor actual, Tensor expected)
    {
        var rough = expected.dtype == ScalarType.BFloat16;
        actual.to(ScalarType.Float32).isclose(expected.to(ScalarType.Float32), rough ? 1e-2 : 1e-3, 1e-6).to(ScalarType.Float32).mean().item<float>().ShouldBeGreaterThanOrEqualTo(0.999f);
    }
}
