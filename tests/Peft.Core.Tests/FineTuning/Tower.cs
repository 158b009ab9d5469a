using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.FineTuning;

/// <summary>A model with all that there is to train: TorchSharp's layers and this library's, a list, a bare parameter, and a head tied to the embedding that has a bias.</summary>
internal sealed class Tower : nn.Module<Tensor, Tensor>, ILossModel
{
    public const int Size = 6, Words = 9;

    private readonly Modules.Embedding embed = new(Words, Size);
    private readonly ModuleList<nn.Module<Tensor, Tensor>> layers = nn.ModuleList<nn.Module<Tensor, Tensor>>(new Floor(), new Floor(), new Floor());
    private readonly Modules.LayerNorm norm = new(Size);
    private readonly Modules.Linear head = new(Size, Words);

    /// <summary>A model with the same numbers each time.</summary>
    public static Tower Create(ScalarType type = ScalarType.Float32)
    {
        manual_seed(4);
        return new(type);
    }

    private Tower(ScalarType type) : base(nameof(Tower))
    {
        foreach (var parameter in new[] { embed.Weight, norm.Weight, norm.Bias!, head.Weight, head.Bias! })
        {
            using var _ = no_grad();
            parameter.normal_(0, 0.5);
        }
        RegisterComponents();
        head.TieWeight(embed);
        this.to(type);
    }

    public override Tensor forward(Tensor ids)
    {
        var x = embed.call(ids);
        foreach (var layer in layers) x = layer.call(x);
        return head.call(norm.call(x));
    }

    public Tensor Loss(Batch batch) => nn.functional.cross_entropy(call(batch.InputIds).flatten(0, 1), batch.Labels!.flatten());

    private sealed class Floor : nn.Module<Tensor, Tensor>
    {
        private readonly TorchSharp.Modules.Linear dense = nn.Linear(Size, Size);
        private readonly Parameter gain = new(ones(Size));

        public Floor() : base(nameof(Floor))
        {
            gain.DetachFromDisposeScope();
            RegisterComponents();
        }

        public override Tensor forward(Tensor x) => x + nn.functional.tanh(dense.call(x)) * gain;
    }
}
