using static TorchSharp.torch;

namespace Peft;

/// <summary>The loss of the model itself (<see cref="ILossModel"/>).</summary>
internal sealed class ModelObjective(ILossModel model) : Objective
{
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics) => model.Loss(batch);

    protected internal override IReadOnlyList<Batch> Divide(Batch batch, int parts) => model.Divide(batch, parts);
}
