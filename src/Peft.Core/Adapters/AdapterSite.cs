using static TorchSharp.torch;
namespace Peft;
/// <summary>One adapted module.</summary>
public sealed class AdapterSite
{
    /// <summary>Runs the module and its adapters.</summary>
    public Tensor Forward(Tensor input) => throw new NotSupportedException();
}
