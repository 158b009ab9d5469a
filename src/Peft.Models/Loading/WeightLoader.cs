using System.Text.RegularExpressions;
using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Loads a model's parameters from the weight files of a folder.</summary>
internal static partial class WeightLoader
{
    /// <summary>Loads all parameters. Returns the names of head parameters that the checkpoint lacks, which the caller has to initialize.</summary>
    /// <exception cref="CheckpointMismatchException">A parameter is missing, unexpected, or has a different shape.</exception>
    public static IReadOnlyList<string> Load(PretrainedModel model, string folder, LoadOptions options)
    {
        var quantized = new QuantizedLoading(model, options);
        using var files = ShardedCheckpoint.Open(folder);
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var keys = files.Tensors.Keys.ToHashSet(StringComparer.Ordinal);
        // Neither checkpoints of the bare base model nor models without a head have a prefix.
        var prefix = model.KeyPrefix(keys);
        string KeyOf(string name)
        {
            var key = model.KeyOf(name);
            if (IsOfBase(model, name)) key = prefix + key[model.BasePrefix.Length..];
            return keys.Contains(key) ? key : OldKey(key, keys);
        }

        var missing = new List<string>();
        var mismatched = new List<string>();
        var fresh = new List<string>();
        var found = new List<(string Key, string Name)>();
        foreach (var (name, parameter) in model.named_parameters())
        {
            var key = KeyOf(name);
            if (model.TiedParameters.Contains(name)) keys.Remove(key);
            else if (quantized.Takes(name, key, keys)) continue;
            else if (keys.Remove(key))
            {
                if (files.Tensors[key].Shape.SequenceEqual(parameter.shape)) found.Add((key, name));
                else if (model.MayReplace(name)) fresh.Add(name);
                else mismatched.Add($"{key} is [{string.Join(", ", files.Tensors[key].Shape)}] in the file, [{string.Join(", ", parameter.shape)}] in the model");
            }
            else if (model.MayInitialize(name)) fresh.Add(name);
            else missing.Add(name);
        }
        keys.RemoveWhere(key => HarmlessKey().IsMatch(key));
        if (keys.Remove(LogitsBias))
        {
            using var bias = files.Read(LogitsBias);
            if (bias.count_nonzero().item<long>() > 0) throw new UnsupportedModelException($"{folder}: {LogitsBias} is added to the logits, which is implemented only for zeros, as in all published models. Running the model without it would give wrong results.");
        }
        if (missing.Count + keys.Count + mismatched.Count > 0)
            throw new CheckpointMismatchException(folder, missing, [.. keys.Order(StringComparer.Ordinal)], mismatched);
        quantized.Allocate();
        foreach (var (key, name) in found) quantized.Read(files, name, key);
        quantized.ReadStored(files);
        return fresh;
    }

    // A buffer of BART.
    private const string LogitsBias = "final_logits_bias";

    private static bool IsOfBase(PretrainedModel model, string name)
        => model.BasePrefix.Length == 0 ? model.Spec.Kind != TransformerKind.EncoderDecoder : name.StartsWith(model.BasePrefix, StringComparison.Ordinal);

    // BERT's first checkpoints name the parameters of norms gamma and beta.
    private static string OldKey(string key, HashSet<string> keys)
    {
        var old = key.EndsWith("LayerNorm.weight", StringComparison.Ordinal) ? key[..^"weight".Length] + "gamma"
            : key.EndsWith("LayerNorm.bias", StringComparison.Ordinal) ? key[..^"bias".Length] + "beta" : key;
        return keys.Contains(old) ? old : key;
    }

    // Buffers that older versions of transformers saved, scales of a quantized KV cache, tied weights saved under a second name, and the heads of other tasks.
    [GeneratedRegex("""
        (^|\.)(rotary_emb\.inv_freq|attn\.bias|attn\.masked_bias|attention\.bias|attention\.masked_bias|embeddings\.position_ids)$
        |^((transformer|model)\.)?(encoder|decoder)\.embed_tokens\.weight$|\.EncDecAttention\.relative_attention_bias\.weight$
        |(^|\.)(self_attn|attention|attn)\.[kv]_scale$
        |(^|\.)pooler\.dense\.(weight|bias)$
        |^(lm_head|embed_out|score|classifier|classification_head|pre_classifier|qa_outputs|cls|vocab_transform|vocab_layer_norm|vocab_projector)\.
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex HarmlessKey();
}
