using System.Text.RegularExpressions;
using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Fills a model's parameters from a folder's weight files.</summary>
internal static partial class WeightLoader
{
    /// <summary>Loads all parameters; returns the names of head parameters that the checkpoint lacks, which are still to be initialised.</summary>
    /// <exception cref="CheckpointMismatchException">A parameter is missing, unknown, or of another shape.</exception>
    public static IReadOnlyList<string> Load(PretrainedModel model, string folder)
    {
        using var files = ShardedCheckpoint.Open(folder);
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var keys = files.Tensors.Keys.ToHashSet(StringComparer.Ordinal);
        var prefix = model.Spec.Names.Base + ".";
        // A checkpoint of the bare base model leaves the prefix out.
        var bare = !keys.Any(key => key.StartsWith(prefix, StringComparison.Ordinal));
        string KeyOf(string name) => bare && name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : name;

        var missing = new List<string>();
        var mismatched = new List<string>();
        var fresh = new List<string>();
        var found = new List<(string Key, Tensor Target)>();
        foreach (var (name, parameter) in model.named_parameters())
        {
            var key = KeyOf(name);
            if (model.TiedParameters.Contains(name)) keys.Remove(key);
            else if (keys.Remove(key))
            {
                if (files.Tensors[key].Shape.SequenceEqual(parameter.shape)) found.Add((key, parameter));
                else mismatched.Add($"{key} is [{string.Join(", ", files.Tensors[key].Shape)}] in the file, [{string.Join(", ", parameter.shape)}] in the model");
            }
            else if (model.MayInitialize(name)) fresh.Add(name);
            else missing.Add(name);
        }
        keys.RemoveWhere(key => HarmlessKey().IsMatch(key));
        if (missing.Count + keys.Count + mismatched.Count > 0)
            throw new CheckpointMismatchException(folder, missing, [.. keys.Order(StringComparer.Ordinal)], mismatched);
        foreach (var (key, target) in found) files.CopyInto(key, target);
        return fresh;
    }

    // Buffers that older versions of transformers saved, and the heads of other tasks.
    [GeneratedRegex(@"(^|\.)(rotary_emb\.inv_freq|attn\.bias|attn\.masked_bias|attention\.bias|attention\.masked_bias)$|^(lm_head|embed_out|score)\.(weight|bias)$")]
    private static partial Regex HarmlessKey();
}
