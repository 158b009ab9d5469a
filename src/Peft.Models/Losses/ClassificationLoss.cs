using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The loss of a classification head, chosen as transformers does.</summary>
internal static class ClassificationLoss
{
    /// <param name="logits">Scores <c>[batch, classes]</c>.</param>
    /// <param name="labels">Labels.</param>
    /// <param name="problemType">The configuration's <c>problem_type</c>, or null.</param>
    /// <param name="source">The configuration, for errors.</param>
    public static Tensor Of(Tensor logits, Tensor labels, string? problemType, string source)
    {
        using var scope = NewDisposeScope();
        var classes = logits.shape[^1];
        problemType ??= classes == 1 ? "regression"
            : labels.is_floating_point() ? "multi_label_classification" : "single_label_classification";
        var loss = problemType switch
        {
            "regression" => nn.functional.mse_loss(
                classes == 1 ? logits.squeeze(-1) : logits, (classes == 1 ? labels.reshape(-1) : labels).to_type(logits.dtype)),
            "single_label_classification" => nn.functional.cross_entropy(
                logits.view(-1, classes), labels.reshape(-1), ignore_index: Batch.IgnoredLabel),
            "multi_label_classification" => nn.functional.binary_cross_entropy_with_logits(logits, labels.to_type(logits.dtype)),
            _ => throw new UnsupportedModelException(
                $"{source}: problem_type '{problemType}' is not known: use regression, single_label_classification or multi_label_classification."),
        };
        return loss.MoveToOuterDisposeScope();
    }
}
