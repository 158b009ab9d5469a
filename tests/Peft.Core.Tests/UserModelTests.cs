using static TorchSharp.torch;

namespace Peft.Core.Tests;

/// <summary>Tests of a small model with a batch of inputs.</summary>
public abstract class UserModelTests : IDisposable
{
    private readonly TorchSharp.DisposeScope scope = NewDisposeScope();

    protected UserModelTests()
    {
        manual_seed(3);
        Input = randn(4, 6);
    }

    protected UserModel Model { get; } = new();

    /// <summary>Inputs <c>[4, 6]</c>.</summary>
    protected Tensor Input { get; }

    /// <summary>What the model gives for <see cref="Input"/> now, without gradients.</summary>
    protected Tensor Output()
    {
        using var _ = no_grad();
        return Model.call(Input);
    }

    public void Dispose()
    {
        Model.Dispose();
        scope.Dispose();
        GC.SuppressFinalize(this);
    }
}
