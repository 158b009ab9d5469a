using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Runs undivided batches sequentially, with gradient accumulation.</summary>
internal sealed class WholeBackward(Trainer trainer, FlatParameters parameters) : IBackward
{
    private bool first = true;
    private IReadOnlyList<TrainableTensor> trained = [];   // the tensors that the gradients are for
    private PartGradients? gradients;

    /// <inheritdoc/>
    public (Tensor Loss, IReadOnlyList<string> Missing)? Run(IReadOnlyList<Batch> batches, long seed, TrainingMetrics metrics)
    {
        if (first) parameters.UnbindGradients();   // otherwise, a missing gradient would go unnoticed
        if (!ReferenceEquals(trained, parameters.Trained)) Renew();
        gradients!.Begin();
        var weight = batches.Sum(batch => batch.Weight);
        Tensor? total = null;
        using var expected = DirectGradients.Expect();
        foreach (var batch in batches)
        {
            using var terms = trainer.Goal.LossTerms(batch, metrics).GetEnumerator();
            while (true)
            {
                using var scope = NewDisposeScope();
                if (!terms.MoveNext()) break;
                var loss = Checked(terms.Current);
                var part = batches.Count == 1 ? loss : loss.mul(Constant(batch.Weight / weight));
                using (SavedTensors.InOnePass()) using (DirectGradients.To(gradients, torchAccumulates: true)) BackwardFailure.Run(() => part.backward());
                var value = part.detach();
                total = (total is null ? value : total.add(value, One)).MoveToOuterDisposeScope();
            }
        }
        first = false;
        return (total!, parameters.BindGradients(gradients.Reached));
    }

    /// <inheritdoc/>
    public void Dispose() => gradients?.Dispose();

    private void Renew()
    {
        gradients?.Dispose();
        trained = parameters.Trained;
        gradients = new(parameters, isFirst: true);
    }

    private Tensor Checked(Tensor loss)
    {
        if (!first) return loss;
        if (loss.numel() != 1)
            throw new TrainingException($"The loss has shape [{string.Join(", ", loss.shape)}], but must be a scalar: take the mean over the positions or rows of the batch.");
        return loss.requires_grad
            ? loss
            : throw new TrainingException("The loss does not depend on any trainable tensor. Check that the model's forward pass reaches the adapted modules"
                + (trainer.Model.Unreached is { Count: > 0 } paths ? $" (not reached so far: {TrainingStep.Shorten(paths)})" : "") + " and runs without no_grad.");
    }
}
