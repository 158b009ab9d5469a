using Peft;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Training.TestHost;

/// <summary>Two layers with dropout and batch normalisation between: random state and buffers both matter.</summary>
public sealed class TinyNetwork : nn.Module<Tensor, Tensor>, ILossModel
{
    private readonly TorchSharp.Modules.Linear first = nn.Linear(4, 16);
    private readonly BatchNorm1d norm = nn.BatchNorm1d(16);
    private readonly Dropout dropout = nn.Dropout(0.2);
    private readonly TorchSharp.Modules.Linear second = nn.Linear(16, 1);

    public TinyNetwork() : base("tiny") => RegisterComponents();

    public override Tensor forward(Tensor input) => second.call(dropout.call(norm.call(first.call(input)).relu()));

    public Tensor Loss(Batch batch) => nn.functional.mse_loss(call(batch.InputIds), batch.Labels!);
}
