namespace Peft.Adapters;

/// <summary>Activation functions of bottlenecks by their names in Hugging Face configurations.</summary>
internal static class Nonlinearity
{
    private static readonly Dictionary<string, Func<Tensor, Tensor>> Known = new(StringComparer.OrdinalIgnoreCase)
    {
        ["relu"] = x => x.relu(), ["swish"] = x => nn.functional.silu(x), ["silu"] = x => nn.functional.silu(x), ["tanh"] = x => x.tanh(), ["sigmoid"] = x => x.sigmoid(),
        ["gelu"] = x => nn.functional.gelu(x), ["gelu_new"] = Tanh, ["gelu_fast"] = Tanh, ["gelu_pytorch_tanh"] = Tanh, ["relu6"] = x => nn.functional.relu6(x),
        ["leakyrelu"] = x => nn.functional.leaky_relu(x, 0.01), ["mish"] = x => x.mul(nn.functional.softplus(x).tanh()), ["linear"] = x => x,
    };

    public static IEnumerable<string> Names => Known.Keys;

    public static bool IsKnown(string name) => Known.ContainsKey(name);

    public static Func<Tensor, Tensor> Named(string name) => Known[name];

    private static Tensor Tanh(Tensor x) => nn.functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh);
}
