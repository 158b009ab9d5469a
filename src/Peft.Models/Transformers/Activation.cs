using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>An elementwise activation function with its name in transformers.</summary>
public sealed class Activation
{
    private readonly Func<Tensor, Tensor> apply;

    private Activation(string name, Func<Tensor, Tensor> apply) => (Name, this.apply) = (name, apply);

    /// <summary>Name in <c>config.json</c>.</summary>
    public string Name { get; }

    internal bool IsSilu => Name is "silu" or "swish";

    /// <summary>Applies the activation to every element.</summary>
    /// <exception cref="ArgumentException">The input is not a floating-point tensor.</exception>
    public Tensor Apply(Tensor input)
    {
        if (!TensorRules.RequireAlive(input, nameof(input)).is_floating_point()) throw new ArgumentException($"An activation needs a floating-point tensor, but the input is {TensorRules.Describe(input)}.", nameof(input));
        using var scope = NewDisposeScope();
        if (ActivationKernel.Supports(Name, input)) return ActivationKernel.Run(Name, input.contiguous(), null, CachingAllocator.Empty(input.Sizes())).MoveToOuterDisposeScope();
        return apply(input).MoveToOuterDisposeScope();
    }

    private static readonly Activation[] Known =
    [
        new("silu", x => nn.functional.silu(x)),
        new("swish", x => nn.functional.silu(x)),
        new("relu", x => nn.functional.relu(x)),
        new("relu2", x => nn.functional.relu(x).square()),
        new("relu6", x => nn.functional.relu6(x)),
        new("leaky_relu", x => nn.functional.leaky_relu(x, 0.01)),
        new("linear", x => x.alias()),
        new("tanh", x => x.tanh()),
        new("sigmoid", x => x.sigmoid()),
        new("mish", x => nn.functional.mish(x)),
        new("hardswish", x => nn.functional.hardswish(x)),
        new("laplace", x => x.sub(Constant(0.707107)).div(Constant(0.282095 * Math.Sqrt(2))).erf().add(Constant(1), One).mul(Constant(0.5))),
        new("sqrtsoftplus", x => nn.functional.softplus(x).sqrt()),
        new("quick_gelu", x => x.mul(Constant(1.702)).sigmoid().mul(x)),
        new("gelu", x => nn.functional.gelu(x)),
        new("gelu_new", x => x.gelu(TorchSharp.Modules.GELU.Approximate.tanh)),
        new("gelu_pytorch_tanh", x => x.gelu(TorchSharp.Modules.GELU.Approximate.tanh)),
        new("gelu_10", x => nn.functional.gelu(x).clamp(Constant(-10), Constant(10))),
        new("gelu_python", x => nn.functional.gelu(x)),
        new("gelu_python_tanh", x => x.gelu(TorchSharp.Modules.GELU.Approximate.tanh)),
        new("gelu_accurate", x => x.gelu(TorchSharp.Modules.GELU.Approximate.tanh)),
        new("gelu_fast", x => x.gelu(TorchSharp.Modules.GELU.Approximate.tanh)),
    ];

    internal static Activation Named(string name) => Array.Find(Known, known => known.Name == name)!;

    /// <summary>Reads an activation from a field of a configuration.</summary>
    /// <exception cref="UnsupportedModelException">The activation is unknown.</exception>
    public static Activation Read(ModelConfig config, string field, string fallback)
    {
        ArgumentNullException.ThrowIfNull(config);
        var name = config.Text(field, fallback)!;
        return Array.Find(Known, known => known.Name == name)
            ?? throw new UnsupportedModelException(
                $"{config.Source}: {field} '{name}' is not implemented; implemented are {string.Join(", ", Known.Select(known => known.Name))}.");
    }
}
