using static TorchSharp.torch;

namespace Peft;

/// <summary>Which modules are in training mode: remembered now, put back on disposal.</summary>
internal sealed class ModuleModes(nn.Module root) : IDisposable
{
    private readonly List<(nn.Module Module, bool Training)> modes = [.. root.modules().Prepend(root).Select(module => (module, module.training))];

    // Setting a module sets its children too: parents come first in the list.
    public void Dispose()
    {
        foreach (var (module, training) in modes) module.train(training);
    }
}
