using System.Xml.Linq;

namespace Peft;

/// <summary>Displays a model in a notebook: its parameters, its adapters, and its module tree with adapted modules highlighted.</summary>
internal sealed class PeftModelDisplay : HtmlDisplay<PeftModel>
{
    protected override IEnumerable<object?> Render(PeftModel model)
    {
        var count = model.CountParameters();
        yield return Markup.Tag("div", Markup.Tag("b", model.Module.GetType().Name), model.Tree.ModelType is { } architecture ? $" ({architecture})" : "", ": ",
            Markup.Classed("span", "accent", $"{Markup.Number(count.Trainable)} trainable"), $" of {Markup.Number(count.All)} parameters ({Markup.Number(100.0 * count.Trainable / Math.Max(1, count.All))}%)");
        if (model.Adapters.Count > 0)
            yield return Markup.Table(["adapter", "method", "state", "modules", "parameters"], model.Adapters.Values.Select(adapter => new object?[]
            {
                adapter.Name, adapter.Options.PeftType, State(model, adapter), adapter.Layers.Select(layer => layer.Target).Distinct().Count(),
                adapter.Tensors.Where(pair => !pair.Tensor.IsShared).Sum(pair => pair.Tensor.Value.numel()),
            }));
        yield return Node(ModuleNode.Of(model), isRoot: true);
    }

    private static string State(PeftModel model, Adapter adapter)
        => string.Join(", ", new[] { model.Active.Contains(adapter.Name) ? "active" : "inactive", adapter.IsFrozen ? "frozen" : null, model.IsMerged && model.Active.Contains(adapter.Name) ? "merged" : null }.OfType<string>());

    // Subtrees without adapters stay collapsed.
    private static XElement Node(ModuleNode node, bool isRoot = false)
    {
        var row = Markup.Classed("span", "row", Markup.Tag("span", isRoot ? "model" : node.Name), Markup.Classed("span", "quiet", node.Kind), Markup.Classed("span", "accent", node.Adapters), Markup.Classed("span", "number quiet", Markup.Number(node.AllParameters)));
        return node.Children.Count == 0 ? Markup.Classed("div", "leaf", row)
            : Markup.Tag("details", isRoot || node.IsAdapted ? Markup.With("open", "open") : null, Markup.Tag("summary", row), node.Folded.Select(child => Node(child)));
    }
}
