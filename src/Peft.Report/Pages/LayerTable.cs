using System.Xml.Linq;

namespace Peft.Report;

/// <summary>What an adapter changed of each layer: heat maps, and a table with norms and singular values.</summary>
internal static class LayerTable
{
    private static readonly string[] Columns = ["module", "parameters", "‖ΔW‖", "‖W‖", "drift", "σ₁", "stable rank", "singular values"];

    public static XElement? Draw(IReadOnlyList<LayerUpdate> layers)
        => layers.Count == 0 ? null : Markup.Tag("div", layers.GroupBy(layer => layer.Adapter).Select(adapter => One([.. adapter])));

    private static XElement One(IReadOnlyList<LayerUpdate> layers)
        => Markup.Tag("div",
            HeatMap.Draw($"Trainable parameters of '{layers[0].Adapter}' ({layers[0].Method})", [.. layers.Select(layer => (layer.Path, (double)layer.Parameters))], Display.Short),
            HeatMap.Draw("Drift ‖ΔW‖/‖W‖", [.. layers.Where(layer => layer.Drift is not null).Select(layer => (layer.Path, layer.Drift!.Value))], Display.Percent),
            Markup.Tag("details", Markup.Tag("summary", "Norms and singular values"),
                Markup.Tag("div", Markup.With("class", "scroll"), Markup.Tag("table", Markup.With("class", "layers spectra"),
                    Markup.Tag("thead", Markup.Tag("tr", Columns.Select(name => Markup.Tag("th", name)))),
                    Markup.Tag("tbody", layers.Select(Row))))));

    private static XElement Row(LayerUpdate layer)
        => Markup.Tag("tr",
            Markup.Tag("th", layer.Path),
            Markup.Tag("td", Display.Short(layer.Parameters)),
            Markup.Tag("td", layer.UpdateNorm is { } norm ? Display.Number(norm) : "–"),
            Markup.Tag("td", Display.Number(layer.WeightNorm)),
            Markup.Tag("td", layer.Drift is { } drift ? Display.Percent(drift) : "–"),
            Markup.Tag("td", layer.SingularValues is [var first, ..] ? Display.Number(first) : "–"),
            Markup.Tag("td", layer.StableRank is { } rank ? Display.Number(rank) : "–"),
            Markup.Tag("td", Spectrum.Draw(layer.SingularValues)));
}
