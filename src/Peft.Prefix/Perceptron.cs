namespace Peft.Prefix;

/// <summary>Linear layers with activations in between, named and initialized as in a torch Sequential.</summary>
internal sealed class Perceptron
{
    private readonly (Parameter Weight, Parameter Bias)[] layers;
    private readonly Func<Tensor, Tensor> activation;

    /// <param name="add">Registers a tensor by name, bound of its uniform initialization, and shape.</param>
    /// <param name="name">Name of the Sequential.</param>
    /// <param name="activation">The activation.</param>
    /// <param name="widths">Widths of the input, the hidden layers and the output.</param>
    public Perceptron(Func<string, double, long[], Parameter> add, string name, Func<Tensor, Tensor> activation, params long[] widths)
    {
        this.activation = activation;
        layers = [.. widths.Zip(widths[1..], (input, output) => (input, output)).Select((width, i) =>
            (add($"{name}.{2 * i}.weight", 1 / Math.Sqrt(width.input), [width.output, width.input]), add($"{name}.{2 * i}.bias", 1 / Math.Sqrt(width.input), [width.output])))];
    }

    /// <summary>Makes the output zero for any input: the last layer becomes zero.</summary>
    public void ZeroOutput()
    {
        using var _ = no_grad();
        layers[^1].Weight.zero_();
        layers[^1].Bias.zero_();
    }

    /// <summary>Maps <c>[…, input]</c> to <c>[…, output]</c>.</summary>
    public Tensor Run(Tensor input)
    {
        for (var i = 0; i < layers.Length; i++)
        {
            var (weight, bias) = layers[i];
            input = nn.functional.linear(i == 0 ? input : activation(input), weight, bias);
        }
        return input;
    }
}
