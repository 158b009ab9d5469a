namespace Peft;

/// <summary>Displays a training dataset in a notebook: its size, and its first rows as the model receives them.</summary>
internal sealed class TrainingDatasetDisplay : HtmlDisplay<TrainingDataset>
{
    private const int Rows = 3, Values = 12;

    protected override IEnumerable<object?> Render(TrainingDataset data)
    {
        yield return Markup.Tag("div", Markup.Tag("b", data.Name), $": {Markup.Number((long)data.Count)} rows");
        if (data.Warnings.Count > 0) yield return Markup.Folded($"{data.Warnings.Count} warnings", data.Warnings.Select(warning => Markup.Tag("div", warning)));
        if (data.Count == 0) yield break;
        yield return Markup.Table(["row", "inputs", "labels"], Enumerable.Range(0, Math.Min(Rows, data.Count)).Select(row =>
        {
            using var batch = data.GetBatch([row]);
            return new object?[] { row, Text(batch.InputIds), batch.Labels is { } labels ? Text(labels) : "—" };
        }).ToList());
    }

    private static string Text(TorchSharp.torch.Tensor tensor)
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        var values = tensor.flatten().narrow(0, 0, Math.Min(Values, tensor.numel())).to_type(TorchSharp.torch.ScalarType.Float64).cpu().data<double>().ToArray();
        return $"{string.Join(' ', values.Select(Markup.Number))}{(tensor.numel() > Values ? " …" : "")} [{string.Join(", ", tensor.shape)}]";
    }
}
