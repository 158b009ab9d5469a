using static TorchSharp.torch;

namespace Peft.Core.Tests.Checkpoints;

/// <summary>A dispose scope for the length of a test, as a field of the test class.</summary>
public sealed class DisposeScopeHolder : IDisposable
{
    private readonly TorchSharp.DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();
}
