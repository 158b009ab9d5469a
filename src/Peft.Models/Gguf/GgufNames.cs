namespace Peft.Models.Gguf;

/// <summary>The names of a model's parameters in a GGUF file.</summary>
internal sealed class GgufNames
{
    private readonly Dictionary<string, string> outside, inside;
    private readonly string layers;

    public GgufNames(PretrainedModel model)
    {
        var names = model.Spec.Names;
        var prefix = model.BasePrefix;
        outside = new()
        {
            [prefix + names.Embedding] = "token_embd", [prefix + names.FinalNorm] = "output_norm", [names.Head] = "output",
        };
        if (names.Positions is { Length: > 0 } positions) outside[prefix + positions] = "position_embd";
        layers = $"{prefix}{names.Layers}.";
        var feed = names.FeedForward is { } own ? own + "." : "";
        inside = new()
        {
            [names.AttentionNorm] = "attn_norm",
            [$"{names.Attention}.{names.Query}"] = "attn_q", [$"{names.Attention}.{names.Key}"] = "attn_k", [$"{names.Attention}.{names.Value}"] = "attn_v",
            [$"{names.Attention}.{names.QueryKeyValue}"] = "attn_qkv", [$"{names.Attention}.{names.AttentionOutput}"] = "attn_output",
            [$"{names.Attention}.{names.QueryNorm}"] = "attn_q_norm", [$"{names.Attention}.{names.KeyNorm}"] = "attn_k_norm",
            [names.FeedForwardNorm] = "ffn_norm", [feed + names.Gate] = "ffn_gate", [feed + names.Down] = "ffn_down", [feed + names.GateUp] = "ffn_up",
        };
        inside[feed + names.Up] = "ffn_up";
        if (names.AttentionOutputNorm is { } after) inside[after] = "post_attention_norm";
        if (names.FeedForwardOutputNorm is { } last) inside[last] = "post_ffw_norm";
    }

    /// <summary>The tensor of a module's parameter (<c>weight</c> or <c>bias</c>); null if GGUF has none.</summary>
    public string? Of(string path, string parameter)
    {
        if (outside.TryGetValue(path, out var name)) return $"{name}.{parameter}";
        if (!path.StartsWith(layers, StringComparison.Ordinal)) return null;
        var rest = path[layers.Length..];
        var dot = rest.IndexOf('.', StringComparison.Ordinal);
        return dot > 0 && inside.TryGetValue(rest[(dot + 1)..], out var part) ? $"blk.{rest[..dot]}.{part}.{parameter}" : null;
    }
}
