using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

/// <summary>What every test of a behaviour has: all methods, a scope for tensors and a folder.</summary>
public abstract class BehaviourTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    // Tensors of these sizes are shared out at a loss.
    static BehaviourTests() => set_num_threads(1);

    public static TheoryData<string> EveryMethod => [.. Sample.Methods];

    protected TemporaryFolder Folder { get; } = new();

    public void Dispose()
    {
        scope.Dispose();
        Folder.Dispose();
        GC.SuppressFinalize(this);
    }
}
