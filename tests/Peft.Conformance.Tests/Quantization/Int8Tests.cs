using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>LLM.int8, layer by layer.</summary>
public class Int8Tests
{
    public static TheoryData<string> Cases => QuantizedOracle.Ids("int8");

    [Theory, MemberData(nameof(Cases))]
    public void Weights_are_those_of_bitsandbytes(string id)
    {
        using var scope = NewDisposeScope();
        using var file = QuantizedOracle.Open("int8", id);
        using var stored = Int8Matrix.Read("case", name => file.Tensors.ContainsKey(name) ? file.Read(name) : null, null);
        stored.Dequantize().ShouldBeExactly(file.Read("dequantized"));
        using var matrix = QuantizationOptions.LlmInt8().Quantize(file.Read("input"));
        var saved = ((Int8Matrix)matrix).ToCheckpoint();
        saved["SCB"].ShouldBeExactly(file.Read("SCB"));
        var known = file.Read("SCB").ne(0).nonzero().squeeze(1);   // codes of a row of zeros are undefined
        saved["weight"].index_select(0, known).ShouldBeExactly(file.Read("weight").index_select(0, known));
        matrix.Dequantize().ShouldBeExactly(file.Read("dequantized"));
    }

    [Theory, MemberData(nameof(Cases))]
    public void Outputs_in_evaluation_have_rounded_inputs_and_outputs_in_training_have_not(string id)
    {
        using var scope = NewDisposeScope();
        using var file = QuantizedOracle.Open("int8", id);
        var bias = file.Tensors.ContainsKey("bias") ? file.Read("bias").to(ScalarType.Float32) : null;
        using var linear = new Modules.Linear(file.Read("weight").shape[1], file.Read("weight").shape[0], bias is not null);
        if (bias is not null) using (no_grad()) linear.Bias!.copy_(bias);
        var threshold = QuantizedOracle.Entry("int8", id).GetProperty("threshold").GetDouble();
        linear.Store(new QuantizedStorage(Int8Matrix.Read("case", name => file.Tensors.ContainsKey(name) ? file.Read(name) : null, threshold)));
        // bitsandbytes returns the inputs' dtype: outputs are compared to a unit in its last place.
        var last = file.Read("x").dtype switch { ScalarType.BFloat16 => 8e-3, ScalarType.Float16 => 1e-3, _ => 2e-4 };
        var x = file.Read("x").to(ScalarType.Float32);
        linear.eval();
        using (no_grad()) linear.call(x).Difference(file.Read("output")).ShouldBeLessThan(last * file.Read("output").Largest());
        linear.train();
        x.requires_grad = true;
        var output = linear.call(x);
        output.Difference(file.Read("output_training")).ShouldBeLessThan(last * output.Largest());
        output.square().sum().backward();
        x.grad!.RelativeDifference(file.Read("grad_x")).ShouldBeLessThan(2 * last);
    }
}
