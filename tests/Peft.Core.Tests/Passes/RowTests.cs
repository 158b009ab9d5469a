using static TorchSharp.torch;

namespace Peft.Core.Tests.Passes;

public sealed class RowTests : IDisposable
{
    private readonly TorchSharp.DisposeScope scope = NewDisposeScope();
    private readonly UserModel model = new();
    private readonly Tensor x;

    public RowTests()
    {
        manual_seed(3);
        x = randn(4, 6);
    }

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
    }

    [Fact]
    public void Each_row_of_a_batch_goes_through_its_own_adapter()
    {
        using var peft = model.ApplyLora(rank: 2);
        peft.Shake();
        peft.Add("b", new LoraOptions { Rank = 1, TargetModules = ["enter", "leave"] });
        peft.Activate("b");
        peft.Shake();
        Tensor Alone(string? name, int row)
        {
            if (name is null) using (peft.WithoutAdapters()) return model.call(x)[row];
            peft.Activate(name);
            return model.call(x)[row];
        }
        var expected = stack(new[] { Alone("b", 0), Alone(null, 1), Alone("default", 2), Alone("b", 3) });
        using (peft.Rows("b", PeftModel.Base, "default", "b")) model.call(x).Difference(expected).ShouldBeLessThan(1e-5f);   // products of fewer rows at a time
        using (peft.Rows("b", "b")) Should.Throw<PeftException>(() => model.call(x)).Message.ShouldContain("4 rows");
    }
}
