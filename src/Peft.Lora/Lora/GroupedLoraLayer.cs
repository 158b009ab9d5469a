namespace Peft.Lora;

/// <summary>
/// LoRA on a grouped convolution, as in Hugging Face PEFT: y = f(x) + s·B(A(x)), where A <c>[rank, channels, kernel…]</c> reads the channels of
/// all groups and B <c>[out, rank/groups, 1…]</c> is grouped. The grouped weight cannot represent such an update, so it is not
/// mergeable.
/// </summary>
internal sealed class GroupedLoraLayer : AdapterLayer
{
    private readonly Parameter a, b;
    private readonly Parameter? bias;
    private readonly double scaling, dropout;

    public GroupedLoraLayer(Target target, LoraOptions options) : base(target)
    {
        var rank = options.RankAt(target.Path);
        if (rank % target.Groups != 0)
            throw new AdapterOptionsException($"{target} is a convolution with {target.Groups} groups, which must divide its rank, but the rank is {rank}. Set another rank with RankPattern, or exclude it from TargetModules.");
        var initialization = options.Initialization;
        scaling = options.ScalingAt(target.Path);
        dropout = options.Dropout;
        long[] shapeA = [rank, target.InputChannels, .. target.InputFactorShape(rank)[2..]];
        var shapeB = target.OutputFactorShape(rank / target.Groups);
        a = Trainable("lora_A.weight", initialization == LoraInitialization.Gaussian ? Normal(1.0 / rank, shapeA) : KaimingUniform(shapeA));
        b = Trainable("lora_B.weight", initialization == LoraInitialization.Random ? KaimingUniform(shapeB) : Zeros(shapeB));
        if (options.UseLoraBias) bias = Trainable("lora_B.bias", Zeros(target.Out));
    }

    protected override Tensor Forward(Tensor input, Inner inner)
    {
        var output = inner.Forward(input);
        var x = input.dtype == TensorType ? input : input.to_type(TensorType);
        if (dropout > 0 && Training) x = nn.functional.dropout(x, dropout, training: true);
        var added = Target.Expand(Target.Apply(x, a.flatten(1)), b.flatten(1)).mul(Constant(scaling));
        if (bias is not null) added = added.add(Target.AlongOutput(bias.mul(Constant(scaling))), One);
        return output.add(added.dtype == output.dtype ? added : added.to_type(output.dtype), One);
    }
}
