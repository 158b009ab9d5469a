using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Lora.Tests;

/// <summary>A model as a user writes it: TorchSharp's own layers in private readonly fields, sequences and lists.</summary>
internal sealed class UserModel : nn.Module<Tensor, Tensor>
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

/// <summary>What the tests share.</summary>
internal static class Run
{
    public static Dictionary<string, byte[]> Bits(nn.Module model) => model.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.bytes.ToArray());

    public static void ShouldHaveBits(this nn.Module model, Dictionary<string, byte[]> bits)
        => model.state_dict().Where(pair => !pair.Value.bytes.SequenceEqual(bits[pair.Key])).Select(pair => pair.Key).ShouldBeEmpty();

    public static float Difference(Tensor a, Tensor b) => (a - b).abs().max().to_type(ScalarType.Float32).item<float>();

    /// <summary>Random values in all tensors of the active adapters, so that they change the model.</summary>
    public static void Shake(this PeftModel peft, double size = 0.3)
    {
        using var _ = no_grad();
        foreach (var tensor in peft.Trainables) tensor.Value.add_(randn_like(tensor.Value) * size);
    }
}
