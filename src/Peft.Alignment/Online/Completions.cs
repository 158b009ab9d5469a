using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Completions in a batch as the losses of online methods see them. <see cref="Batch.InputIds"/> are <c>[rows, sequence]</c>, prompts padded on the left and completions on the right;
/// <c>completion_mask</c> <c>[rows, width]</c> describes the last columns. Tensors of this class are <c>[rows, width]</c>.
/// </summary>
internal sealed class Completions
{
    /// <summary>Name of the mask.</summary>
    public const string MaskName = "completion_mask";

    /// <summary>Name of the mask that is 0 for tokens of results of tools.</summary>
    public const string ToolMaskName = "tool_mask";

    private readonly Batch batch;

    /// <param name="batch">The batch.</param>
    /// <param name="countsPadding">True to predict padding as well.</param>
    public Completions(Batch batch, bool countsPadding = false)
    {
        ArgumentNullException.ThrowIfNull(batch);
        this.batch = batch;
        var shape = TensorRules.RequireIds(batch.InputIds, nameof(batch.InputIds));
        if (!batch.Extra.TryGetValue(MaskName, out var mask))
            throw new ArgumentException($"The batch has no {MaskName}: it holds prompts, for which the trainer generates completions in training. For evaluation, give completions with their advantages.", nameof(batch));
        Rows = shape[0];
        if (TensorRules.RequireAlive(mask, MaskName).shape is not [var rows, var width] || rows != Rows || width < 1 || width >= shape[1])
            throw new ArgumentException($"{MaskName} must be [{Rows}, width of the completions], below the {shape[1]} of prompts and completions, but is [{string.Join(", ", mask.shape)}].", nameof(batch));
        Width = width;
        var counted = batch.Extra.TryGetValue(ToolMaskName, out var tools) ? mask.mul(Checked(ToolMaskName, tools)) : mask;
        Mask = counted.to_type(ScalarType.Float32);
        Lengths = Mask.sum(dim: 1, keepdim: true);
        var own = batch.InputIds.narrow(1, shape[1] - width, width).to_type(ScalarType.Int64);
        Labels = cat([full([rows, shape[1] - width], Constant(Batch.IgnoredLabel), ScalarType.Int64, batch.InputIds.device), countsPadding ? own : own.masked_fill(counted.eq(Constant(0)), Constant(Batch.IgnoredLabel))], 1);
    }

    public long Rows { get; }

    public long Width { get; }

    /// <summary>1 for tokens that the policy is trained on.</summary>
    public Tensor Mask { get; }

    /// <summary>Number of these tokens, <c>[rows, 1]</c>.</summary>
    public Tensor Lengths { get; }

    /// <summary>The tokens to predict, <c>[rows, sequence]</c>.</summary>
    public Tensor Labels { get; }

    /// <summary>Number of tokens.</summary>
    public double Tokens => Mask.sum().item<float>();

    /// <summary>The columns of completions of predictions <c>[rows, sequence − 1]</c>.</summary>
    public Tensor Of(Tensor predictions) => predictions.narrow(1, predictions.size(1) - Width, Width);

    /// <summary>Log-probabilities and entropies under a policy.</summary>
    public (Tensor LogProbabilities, Tensor Entropies) Predict(Policy policy, double temperature, bool entropyGradient = false)
    {
        var predictions = policy.Model.Predict(ModelInput.From(batch), Labels, TokenStatistics.Entropy, temperature, entropyGradient);
        return (Of(predictions.LogProbabilities), Of(predictions.Entropy!));
    }

    /// <summary>Log-probabilities under the reference.</summary>
    public Tensor PredictByReference(Policy policy, double temperature) => Of(policy.PredictByReference(batch, Labels, temperature: temperature).LogProbabilities);

    /// <summary>A tensor with a value for each token; null if the batch has none of that name.</summary>
    public Tensor? PerToken(string name) => batch.Extra.TryGetValue(name, out var value) ? Checked(name, value) : null;

    /// <summary>A tensor with a value for each row, as <c>[rows, 1]</c>; null if the batch has none of that name.</summary>
    public Tensor? PerRow(string name)
    {
        if (!batch.Extra.TryGetValue(name, out var value)) return null;
        return TensorRules.RequireAlive(value, name).numel() == Rows ? value.to_type(ScalarType.Float32).reshape(Rows, 1)
            : throw new ArgumentException($"{name} must have a value for each of the {Rows} rows, but is [{string.Join(", ", value.shape)}].", nameof(name));
    }

    /// <summary>A tensor with a value for each row, which the batch must have.</summary>
    public Tensor Required(string name) => PerRow(name) ?? throw new ArgumentException($"The batch has completions, but no {name} [{Rows}].", nameof(name));

    /// <summary>The mean over tokens; of values <c>[rows, 1]</c>, over rows.</summary>
    public Tensor Mean(Tensor values) => values.size(1) == 1 ? values.mean() : values.mul(Mask).sum().div(Mask.sum().clamp_min(Constant(1)));

    /// <summary>The weight of <see cref="Mean"/> among the means of other batches.</summary>
    public double Weight(Tensor values) => values.size(1) == 1 ? Rows : Tokens;

    /// <summary>The mean over the tokens of each row, <c>[rows, 1]</c>, 0 for rows without tokens.</summary>
    public Tensor MeanOfRows(Tensor values) => values.mul(Mask).sum(dim: 1, keepdim: true).div(Lengths.clamp_min(Constant(1)));

    private Tensor Checked(string name, Tensor value)
        => TensorRules.RequireAlive(value, name).shape is [var rows, var width] && rows == Rows && width == Width ? value
            : throw new ArgumentException($"{name} must be [{Rows}, {Width}], a value for each token of the completions, but is [{string.Join(", ", value.shape)}].", nameof(name));
}
