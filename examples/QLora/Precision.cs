using Peft.Models;
using Peft.Quantization;
using TorchSharp;

namespace QLora;

/// <summary>How the base weights are held.</summary>
/// <param name="Name">Name in the tables.</param>
/// <param name="Load">Options that load them so.</param>
internal sealed record Precision(string Name, LoadOptions Load)
{
    /// <summary>From the most precise to the smallest.</summary>
    public static IReadOnlyList<Precision> All { get; } =
    [
        new("float32", new()),
        new("bfloat16", new() { Dtype = torch.ScalarType.BFloat16 }),
        new("int8", new() { Quantization = QuantizationOptions.LlmInt8() }),
        new("NF4", new() { Quantization = QuantizationOptions.Nf4() }),
        new("NF4, double", new() { Quantization = QuantizationOptions.Nf4(doubleQuantization: true) }),
    ];

    /// <summary>Those that the program chooses from: on a CPU, bfloat16 saves memory and costs more time than it is worth.</summary>
    public static IEnumerable<Precision> Offered => All.Where(each => each.Name != "bfloat16");
}
