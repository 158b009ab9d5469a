using static TorchSharp.torch;

namespace Peft.Core.Tests.Runtime;

public class ZeroPagesTests
{
    [Theory]
    [InlineData(1000)]
    [InlineData(262_144)]    // the least that is returned to the system
    [InlineData(300_001)]    // its ends lie within pages
    [InlineData(9_000_000)]  // in a mapping of its own
    public void A_tensor_is_zero_and_its_neighbours_keep_their_values(int length)
    {
        using var scope = NewDisposeScope();
        var tensors = Enumerable.Range(0, 3).Select(_ => ones(length)).ToArray();
        ZeroPages.Fill(tensors[1]);
        tensors.Select(tensor => tensor.sum().item<float>()).ShouldBe([length, 0, length]);
        tensors[1].add_(1);
        tensors[1].sum().item<float>().ShouldBe(length);
    }
}
