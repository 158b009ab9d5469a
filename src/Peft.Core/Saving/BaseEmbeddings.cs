using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft;

/// <summary>The base model's token embedding and head in an adapter's file.</summary>
internal static class BaseEmbeddings
{
    private const string Plain = "weight", Adapted = "base_layer.weight";

    // Hugging Face PEFT searches the adapted modules for these names.
    private static readonly string[] Names = ["embed_tokens", "lm_head"];

    /// <summary>Selects the embeddings to save, by key.</summary>
    public static IEnumerable<(string Key, Target Target)> ToSave(PeftModel model, Adapter adapter, SaveEmbeddings saving)
    {
        if (saving == SaveEmbeddings.Never) yield break;
        var all = saving == SaveEmbeddings.Always || (model.Module as IPretrainedModel)?.ResizedFrom is not null;
        foreach (var target in Targets(model))
        {
            var layers = adapter.Layers.Where(layer => layer.Target == target).ToList();
            // Such layers save the rows themselves.
            if (layers.Any(layer => layer is FullLayer or TokensLayer or IKeepsEmbedding)) continue;
            if (all || (layers.Count > 0 && Names.Any(name => ModuleSelector.Means(name, target.Path))))
                yield return (adapter.Key(target, layers.Count > 0 ? Adapted : Plain), target);
        }
    }

    /// <summary>Finds the embeddings in a file, and checks their row counts.</summary>
    /// <exception cref="AdapterMismatchException">The file has another number of rows than the model.</exception>
    public static IEnumerable<(string Key, Target Target)> In(ITensorSource file, PeftModel model, Adapter adapter, string folder)
    {
        foreach (var target in Targets(model))
        {
            foreach (var key in new[] { adapter.Key(target, Plain), adapter.Key(target, Adapted) })
            {
                if (!file.Tensors.TryGetValue(key, out var entry)) continue;
                var (saved, own) = (entry.Shape, target.Storage.Shape);
                if (saved.Count == 2 && saved[0] != own[0] && saved[1] == own[1])
                    throw new AdapterMismatchException(
                        $"{folder}: {key} has {saved[0]} rows, but {target.Path} of this model has {own[0]}: the adapter was trained on a model whose token embedding was resized. "
                        + $"Call ResizeTokenEmbeddings({saved[0]}) on the model before you add adapters.");
                if (!saved.SequenceEqual(own))
                    throw new AdapterMismatchException($"{folder}: {key} is [{string.Join(", ", saved)}], but {target.Path} of this model is [{string.Join(", ", own)}]: the adapter belongs to another base model.");
                yield return (key, target);
            }
        }
    }

    /// <summary>
    /// Checks that the rows in the file equal those of the model, and copies the rows that resizing added: their values in the model are arbitrary, and
    /// the adapter was trained with those of its file.
    /// </summary>
    /// <exception cref="AdapterMismatchException">Rows that were not added by resizing differ.</exception>
    public static void Load(IReadOnlyList<(string Key, Target Target)> found, ITensorSource file, PeftModel model, string folder)
    {
        var fresh = new List<(Tensor Into, Tensor Rows)>();
        foreach (var (key, target) in found)
        {
            var weight = target.Storage.Read();
            var saved = file.Read(key, weight.device, weight.dtype);
            if (saved.allclose(weight, 1e-3, 1e-5)) continue;
            var known = (model.Module as IPretrainedModel)?.ResizedFrom is { } original ? Math.Min(original, weight.size(0)) : weight.size(0);
            if (!saved.narrow(0, 0, known).allclose(weight.narrow(0, 0, known), 1e-3, 1e-5))
                throw new AdapterMismatchException($"{folder}: {key} differs from {target.Path} of this model: the adapter belongs to another base model.");
            if (model.Adapters.Count > 0)
                throw new AdapterMismatchException($"{folder}: {key} has other rows for the added tokens than this model, whose other adapters were trained or loaded with the model's rows. Load the adapter into a separate model.");
            fresh.Add((weight.narrow(0, known, weight.size(0) - known), saved.narrow(0, known, weight.size(0) - known)));
        }
        foreach (var (into, rows) in fresh) into.copy_(rows);
    }

    // A classifier has no row per token.
    private static IEnumerable<Target> Targets(PeftModel model)
        => new[] { model.Tree.InputEmbeddings, model.Tree.TaskType is "SEQ_CLS" or "TOKEN_CLS" or "QUESTION_ANS" ? null : model.Tree.Head }.OfType<Target>().Distinct();
}
