using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The loss of a classification head, as in transformers.</summary>
internal static class ClassificationLoss
{
    /// <param name="logits">Scores <c>[batch, classes]</c>.</param>
    /// <param name="labels">Labels.</param>
    /// <param name="problemType">The configuration's <c>problem_type</c>; null to derive it from classes and labels.</param>
    /// <param name="source">The configuration, for errors.</param>
    /// <param name="weights">Weights of the classes <c>[classes]</c>; null for equal weights.</param>
    public static Tensor Of(Tensor logits, Tensor labels, string? problemType, string source, Tensor? weights = null)
    {
        using var scope = NewDisposeScope();
        if (labels.is_complex()) throw Misshapen(labels, "real values");
        var classes = logits.size(-1);
        problemType ??= classes == 1 ? "regression"
            : labels.is_floating_point() ? "multi_label_classification" : "single_label_classification";
        Check(logits, labels, problemType);
        if (weights is not null && problemType != "single_label_classification")
            throw new InvalidOperationException($"ClassWeights require single-label classification, but the problem type is {problemType}: set ClassWeights to null.");
        var loss = problemType switch
        {
            "regression" => nn.functional.mse_loss(
                classes == 1 ? logits.squeeze(-1) : logits, (classes == 1 ? labels.reshape(-1) : labels).to_type(logits.dtype)),
            "single_label_classification" => nn.functional.cross_entropy(
                logits.view(-1, classes), labels.reshape(-1).to_type(ScalarType.Int64), weights, ignore_index: Batch.IgnoredLabel),
            "multi_label_classification" => nn.functional.binary_cross_entropy_with_logits(logits, labels.to_type(logits.dtype)),
            _ => throw new UnsupportedModelException(
                $"{source}: problem_type '{problemType}' is not supported: use regression, single_label_classification or multi_label_classification."),
        };
        return loss.MoveToOuterDisposeScope();
    }

    /// <summary>Mean cross-entropy of scores <c>[batch, sequence, classes]</c> over the labels that are not ignored.</summary>
    public static Tensor PerToken(Tensor logits, Tensor labels, Tensor? weights = null)
    {
        using var scope = NewDisposeScope();
        if (labels.is_floating_point() || !labels.shape.SequenceEqual([logits.size(0), logits.size(1)])) throw Misshapen(labels, $"[{logits.size(0)}, {logits.size(1)}], a class for each token");
        var flat = labels.reshape(-1).to_type(ScalarType.Int64);
        CheckRange(flat, logits.size(-1));
        var kept = flat.ne(Constant(Batch.IgnoredLabel)).nonzero().squeeze(1);
        var rows = logits.reshape(-1, logits.size(-1));
        if (kept.size(0) == 0) return rows.sum().mul(Constant(0)).MoveToOuterDisposeScope();
        return nn.functional.cross_entropy(rows, flat, weights, ignore_index: Batch.IgnoredLabel).MoveToOuterDisposeScope();
    }

    /// <summary>Mean of the cross-entropies of start and end, from scores <c>[batch, sequence, 2]</c> and positions <c>[batch, 2]</c>.</summary>
    public static Tensor Span(Tensor logits, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var (batch, length) = (logits.size(0), logits.size(1));
        if (labels.is_floating_point() || !labels.shape.SequenceEqual([batch, 2])) throw Misshapen(labels, $"[{batch}, 2], the positions of the answer's first and last token");
        // As in transformers: positions below 0 are clamped to the first token, those beyond the sequence are ignored.
        var positions = labels.to_type(ScalarType.Int64).clamp(Constant(0), Constant(length));
        var loss = Of(0).add(Of(1), One).div(Constant(2));
        return loss.MoveToOuterDisposeScope();

        Tensor Of(int side)
        {
            var scores = logits.select(2, side);
            var target = positions.select(1, side);
            return target.ge(Constant(length)).all().item<bool>() ? scores.sum().mul(Constant(0)) : nn.functional.cross_entropy(scores, target, ignore_index: length);
        }
    }

    private static void Check(Tensor logits, Tensor labels, string problemType)
    {
        var (batch, classes) = (logits.size(0), logits.size(-1));
        switch (problemType)
        {
            case "single_label_classification":
                if (labels.numel() != batch || labels.is_floating_point()) throw Misshapen(labels, $"integers [{batch}], a class for each row");
                CheckRange(labels.to_type(ScalarType.Int64), classes);
                break;
            case "multi_label_classification" or "regression":
                if (labels.numel() != batch * classes) throw Misshapen(labels, $"[{batch}, {classes}], a value for each row and class");
                break;
        }
    }

    // On a GPU a label out of range would end the process instead of throwing an exception.
    private static void CheckRange(Tensor labels, long classes)
    {
        var (lowest, highest) = (labels.min().item<long>(), labels.max().item<long>());
        if (highest < classes && (lowest >= 0 || labels.lt(Constant(0)).eq(labels.eq(Constant(Batch.IgnoredLabel))).all().item<bool>())) return;
        throw new ArgumentException($"The labels range from {lowest} to {highest}, but the model has classes 0 to {classes - 1} (and {Batch.IgnoredLabel} for ignored labels): load the model with the right LabelCount or Id2Label.", nameof(labels));
    }

    private static ArgumentException Misshapen(Tensor labels, string expected) => new($"The labels are {TensorRules.Describe(labels)}, but must be {expected}.", nameof(labels));
}
