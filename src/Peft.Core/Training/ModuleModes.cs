using static TorchSharp.torch;

namespace Peft;

/// <summary>Saves the training mode of all modules and restores it on disposal.</summary>
internal sealed class ModuleModes(nn.Module root) : IDisposable
{
    private readonly List<(nn.Module Module, bool Training)> modes = [.. root.modules().Prepend(root).Select(module => (module, module.training))];

    // Setting the mode of a module also sets it for its children, so parents precede them in the list.
    public void Dispose()
    {
        foreach (var (module, training) in modes) module.train(training);
    }
}
