using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Hooks that change nothing on the modules inside of layers: while they exist, a layer calls its modules one by one.</summary>
internal sealed class SilentHooks : IDisposable
{
    private readonly List<Action> removals;

    public SilentHooks(Backbone backbone)
        => removals = [.. backbone.Layers.SelectMany(layer => layer.named_modules()).Select(pair => pair.module).OfType<nn.Module<Tensor, Tensor>>().Select(module => (Action)module.register_forward_hook((_, _, output) => output.alias()).remove)];

    public void Dispose() => removals.ForEach(remove => remove());
}
