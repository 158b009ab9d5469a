using static TorchSharp.torch;

namespace Peft;

/// <summary>A loss that is a function of the batch.</summary>
internal sealed class DelegateObjective(Func<Batch, Tensor> loss) : Objective
{
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics) => loss(batch);
}
