namespace Peft.Adapters;

/// <summary>
/// AdapterFusion (Pfeiffer et al. 2020, arXiv:2005.00247) on a module's output h: y = h + Σᵢ pᵢ·V·zᵢ with the outputs zᵢ of the fused
/// bottlenecks and p = softmax((Q·x)ᵀ(K·zᵢ)), where x is the input of the bottlenecks.
/// </summary>
internal sealed class FusionLayer : TransformLayer, IPenalty
{
    private const double Regularization = 0.01;

    private readonly FusionOptions options;
    private readonly BottleneckLayer[] fused;
    private readonly ResidualTap? tap;
    private readonly (Parameter Weight, Parameter Bias)? query, key;
    private readonly Parameter? value;
    private double temperature = 1;

    /// <param name="target">The module.</param>
    /// <param name="options">The options.</param>
    /// <param name="fused">The bottlenecks at the module. The options of the last one determine how norms and residual connections are applied.</param>
    /// <param name="tap">Captures the residual stream, if the bottlenecks need it.</param>
    public FusionLayer(Target target, FusionOptions options, BottleneckLayer[] fused, ResidualTap? tap) : base(target)
    {
        (this.options, this.fused, this.tap) = (options, fused, tap);
        var size = target.Out;
        if (options.UseTemperature) temperature = 50;
        if (options.Query) query = (Trainable("query.weight", Normal(0.02, size, size)), Trainable("query.bias", Zeros(size)));
        if (options.Key) key = (Trainable("key.weight", Normal(0.02, size, size)), Trainable("key.bias", Zeros(size)));
        if (options.Value) value = Trainable("value.weight", options.ValueIsIdentity ? eye(size, device: Device).mul(Constant(1 - 1e-6)).add(Constant(1e-6), One) : Normal(0.02, size, size));
    }

    protected override Tensor TransformOutput(Tensor input, Tensor output)
    {
        using var stream = tap?.Take();
        var r = stream is null || stream.dtype == output.dtype ? stream : stream.to_type(output.dtype);
        var (x, residual) = fused[^1].IsParallel ? (r ?? input, output) : fused[^1].Enter(output, r);
        var outputs = stack(fused.Select(each => each.Bottleneck(x)), -2);   // […, adapters, size]
        if (options.ResidualBefore) outputs = outputs.add(residual.unsqueeze(-2), One);

        var q = Map(options.QueryBeforeNorm ? output : x, query).unsqueeze(-2);
        var scores = q.matmul(Map(outputs, key).transpose(-2, -1)).squeeze(-2);   // […, adapters]
        if (Training && options.Dropout is { } dropout) scores = nn.functional.dropout(scores, dropout, training: true);
        var weights = scores.div(Constant(Temperature())).softmax(-1).unsqueeze(-2);
        var mixed = value is null || !options.ValueBeforeSoftmax ? weights.matmul(outputs) : weights.matmul(nn.functional.linear(outputs, value));
        if (value is not null && !options.ValueBeforeSoftmax) mixed = nn.functional.linear(mixed, value);
        mixed = mixed.squeeze(-2);
        return fused[^1].Leave(options.ResidualBefore ? mixed : mixed.add(residual, One), r);
    }

    public Tensor? Penalty()
    {
        if (value is null || !options.Regularize) return null;
        return value.sub(eye(Target.Out, dtype: value.dtype, device: value.device)).square().sum().mul(Constant(Regularization));
    }

    // Decreases from 50 to 1 during training.
    private double Temperature()
    {
        var current = temperature;
        if (Training) temperature = Math.Max(1, temperature - 0.05);
        return current;
    }

    private static Tensor Map(Tensor x, (Parameter Weight, Parameter Bias)? projection)
        => projection is { } p ? nn.functional.linear(x, p.Weight, p.Bias) : x;
}
