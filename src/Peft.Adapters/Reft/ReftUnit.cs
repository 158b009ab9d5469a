namespace Peft.Adapters;

/// <summary>The change Rᵀ·(σ(W·h + b) − R·h) of hidden states h, with R and W <c>[rank, hidden]</c> and b <c>[rank]</c>.</summary>
internal sealed class ReftUnit
{
    private readonly Parameter weight, bias;
    private readonly Parameter? free;
    private readonly OrthonormalRows? orthonormal;
    private readonly bool subtracts;
    private readonly Func<Tensor, Tensor> act;

    /// <param name="options">The options.</param>
    /// <param name="width">Width of the hidden states.</param>
    /// <param name="trainable">Registers a trainable tensor.</param>
    /// <param name="frozen">Registers a tensor that is not trained.</param>
    /// <param name="matrix">An initial matrix, as torch initializes that of a linear module.</param>
    /// <param name="vector">An initial vector of the rank's length, uniform within a bound.</param>
    /// <param name="hasValues">False on the device meta.</param>
    public ReftUnit(ReftOptions options, long width, Func<string, Tensor, Parameter> trainable, Func<string, Tensor, Parameter> frozen, Func<long, long, Tensor> matrix, Func<double, Tensor> vector, bool hasValues)
    {
        subtracts = options.SubtractsProjection;
        act = options.NonLinearity is { } name ? Nonlinearity.Named(name) : x => x;
        weight = trainable("learned_source.weight", matrix(options.Rank, width));
        bias = trainable("learned_source.bias", vector(1 / Math.Sqrt(width)));
        var projection = matrix(options.Rank, width);
        if (options.IsOrthogonal) orthonormal = new OrthonormalRows(projection, trainable, frozen, hasValues);
        else free = trainable("projection.weight", projection);
    }

    /// <summary>The rows of R, if they are kept orthonormal.</summary>
    public OrthonormalRows? Orthonormal => orthonormal;

    /// <summary>Tensors under the Adapters library's names, except those of orthonormal rows.</summary>
    public IEnumerable<(string Name, Tensor Value)> Plain
    {
        get
        {
            yield return ("learned_source.weight", weight);
            yield return ("learned_source.bias", bias);
            if (free is not null) yield return ("projection.weight", free);
        }
    }

    /// <summary>The change of hidden states <c>[…, hidden]</c>.</summary>
    public Tensor Change(Tensor hidden)
    {
        var r = free ?? orthonormal!.Rows();
        var source = act(nn.functional.linear(hidden, weight, bias));
        if (subtracts) source = source.sub(nn.functional.linear(hidden, r));
        return nn.functional.linear(source, r.t());
    }
}
