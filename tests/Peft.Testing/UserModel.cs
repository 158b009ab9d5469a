using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Testing;

/// <summary>A model as a user writes it: TorchSharp's own layers in private readonly fields, sequences and lists.</summary>
public sealed class UserModel : nn.Module<Tensor, Tensor>
{
    private readonly TorchSharp.Modules.Linear enter = nn.Linear(6, 8);
    private readonly Sequential middle = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8));
    private readonly ModuleList<nn.Module<Tensor, Tensor>> list = nn.ModuleList<nn.Module<Tensor, Tensor>>(nn.Linear(8, 8), nn.Linear(8, 8));
    private readonly TorchSharp.Modules.Linear leave = nn.Linear(8, 3);
    private readonly bool bypassHooks;

    public UserModel(bool bypassHooks = false) : base(nameof(UserModel))
    {
        this.bypassHooks = bypassHooks;
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        var h = middle.call(nn.functional.relu(enter.call(x)));
        foreach (var each in list) h = h + nn.functional.tanh(each.call(h));
        return bypassHooks ? leave.forward(h) : leave.call(h);
    }
}
