using Peft.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Runs a stack's layers in a different order. A repeated layer is a twin: separate modules that share the parameters of the original.</summary>
internal sealed class LayerOrder : IDisposable
{
    private readonly ModuleList<TransformerLayer> list;
    private readonly TransformerLayer[] own, ordered;
    private readonly Action<Func<TransformerLayer[]>> run;

    /// <param name="spec">Description of the stack.</param>
    /// <param name="list">The stack's list of layers.</param>
    /// <param name="order">Index of the layer at each position.</param>
    /// <param name="isActive">True if a forward pass uses this order.</param>
    /// <param name="run">Sets the function that returns the layers of a forward pass.</param>
    public LayerOrder(TransformerSpec spec, ModuleList<TransformerLayer> list, IReadOnlyList<int> order, Func<bool> isActive, Action<Func<TransformerLayer[]>> run)
    {
        (this.list, this.run) = (list, run);
        own = [.. list];
        var used = new HashSet<int>();
        ordered = [.. order.Select(index => used.Add(index) ? own[index] : Twin(spec, index, own[index]))];
        Register(ordered);
        run(() => isActive() ? ordered : own);
    }

    // On the meta device, which allocates nothing, because the parameters are replaced immediately.
    private static TransformerLayer Twin(TransformerSpec spec, int index, TransformerLayer layer)
    {
        var twin = new TransformerLayer(spec, index, new Placement(ScalarType.Float32, new Device(DeviceType.META)));
        foreach (var ((_, module), (_, original)) in twin.named_modules().Zip(layer.named_modules()))
            if (module is AdaptableModule copy) copy.TieTo((AdaptableModule)original);
        twin.train(layer.training);
        return twin;
    }

    private void Register(TransformerLayer[] layers)
    {
        var children = ModuleInternals.Submodules(list);
        children.Clear();
        for (var i = 0; i < layers.Length; i++) children.Add(i.ToString(System.Globalization.CultureInfo.InvariantCulture), layers[i]);
    }

    public void Dispose()
    {
        run(() => own);
        Register(own);
        foreach (var twin in ordered.Except(own))
        {
            foreach (var (_, module) in twin.named_modules()) (module as AdaptableModule)?.Untie();
            twin.Dispose();
        }
    }
}
