using System.Text.Json.Nodes;
using Peft.Quantization.Gguf;
using static TorchSharp.torch;

namespace Peft.Models.Gguf;

/// <summary>The configuration that the metadata of a GGUF file describes, in the fields of Hugging Face.</summary>
internal static class GgufConfig
{
    private static readonly Dictionary<string, string> Architectures = new()
    {
        ["llama"] = "llama", ["qwen2"] = "qwen2", ["qwen3"] = "qwen3", ["gemma"] = "gemma", ["gemma2"] = "gemma2", ["gemma3"] = "gemma3_text", ["phi3"] = "phi3", ["gpt2"] = "gpt2", ["gptneox"] = "gpt_neox",
    };

    /// <exception cref="UnsupportedModelException">The architecture, or a feature that the file requires, is not supported.</exception>
    public static ModelConfig Of(GgufFile weights)
    {
        var file = weights.Header;
        var name = file.Text("general.architecture") ?? throw file.Damaged("it names no general.architecture");
        if (file.Text("general.type") is { } type && type != "model") throw new UnsupportedModelException($"{file.Path} is not a model: its general.type is '{type}'.");
        if (!Architectures.TryGetValue(name, out var model)) throw new UnsupportedModelException($"{file.Path}: the architecture '{name}' is not supported. Supported in GGUF files are {string.Join(", ", Architectures.Keys)}.");
        var embedding = file.Tensors.GetValueOrDefault("token_embd.weight") ?? throw file.Damaged("it has no tensor 'token_embd.weight'");
        var fields = model == "gpt2" ? Gpt2() : Common();
        fields["model_type"] = model;
        fields["vocab_size"] = embedding.Shape[0];
        // GPT-2's converter writes the head although it is tied.
        fields["tie_word_embeddings"] = model == "gpt2" || !file.Tensors.ContainsKey("output.weight");
        foreach (var role in new[] { "bos", "eos" })
            if (file.Whole($"tokenizer.ggml.{role}_token_id") is { } id) fields[$"{role}_token_id"] = id;
        return ModelConfig.Parse(fields.ToJsonString(), file.Path);   // values then have the types of a parsed file

        long Size(string key) => file.Whole($"{name}.{key}") ?? throw file.Damaged($"it has no '{name}.{key}'");

        JsonObject Gpt2() => new()
        {
            ["n_embd"] = Size("embedding_length"), ["n_layer"] = Size("block_count"), ["n_head"] = Size("attention.head_count"), ["n_inner"] = Size("feed_forward_length"),
            ["n_positions"] = Size("context_length"), ["layer_norm_epsilon"] = Epsilon("layer_norm_epsilon"),
        };

        JsonObject Common()
        {
            var (hidden, heads) = (Size("embedding_length"), Size("attention.head_count"));
            var head = file.Whole($"{name}.attention.key_length") ?? hidden / Math.Max(1, heads);
            if (file.Whole($"{name}.attention.value_length") is { } values && values != head) throw Unsupported("keys and values of different sizes");
            if (file.Whole($"{name}.expert_count") is > 0) throw Unsupported("experts");
            var common = new JsonObject
            {
                ["hidden_size"] = hidden, ["num_hidden_layers"] = Size("block_count"), ["num_attention_heads"] = heads, ["num_key_value_heads"] = file.Whole($"{name}.attention.head_count_kv") ?? heads,
                ["head_dim"] = head, ["intermediate_size"] = Size("feed_forward_length"), ["max_position_embeddings"] = Size("context_length"),
                ["rope_theta"] = file.Number($"{name}.rope.freq_base") ?? 10000,
            };
            if (model == "gpt_neox")
            {
                common["layer_norm_eps"] = Epsilon("layer_norm_epsilon");
                common["rotary_pct"] = (double)Size("rope.dimension_count") / Math.Max(1, head);
                common["rotary_emb_base"] = file.Number($"{name}.rope.freq_base") ?? 10000;
                common["use_parallel_residual"] = file.Flag($"{name}.use_parallel_residual") ?? true;
            }
            else
            {
                common["rms_norm_eps"] = Epsilon("layer_norm_rms_epsilon");
                if (file.Whole($"{name}.rope.dimension_count") is { } rotated && rotated != head) throw Unsupported("rotary embeddings of part of each head");
            }
            if (model == "llama")
            {
                common["attention_bias"] = file.Tensors.ContainsKey("blk.0.attn_q.bias");
                common["mlp_bias"] = file.Tensors.ContainsKey("blk.0.ffn_up.bias");
            }
            if (model.StartsWith("gemma", StringComparison.Ordinal) && model != "gemma") Gemma(common, hidden / Math.Max(1, heads), head);
            else if (file.Whole($"{name}.attention.sliding_window") is > 0 and var window) common["sliding_window"] = window;
            Scaling(common);
            return common;
        }

        // The largest Gemma 2 and 3 models scale scores by hidden_size / heads, the others by head_dim; the file does not say which.
        void Gemma(JsonObject common, long width, long head)
        {
            common["query_pre_attn_scalar"] = Size("block_count") == (model == "gemma2" ? 46 : 62) ? width : head;
            common["sliding_window"] = Size("attention.sliding_window");
            if (model == "gemma3_text" && file.Number($"{name}.rope.freq_base_swa") is { } local) common["rope_local_base_freq"] = local;
            if (model != "gemma2") return;
            common["attn_logit_softcapping"] = file.Number($"{name}.attn_logit_softcapping") ?? 50;
            common["final_logit_softcapping"] = file.Number($"{name}.final_logit_softcapping") ?? 30;
        }

        void Scaling(JsonObject common)
        {
            if (Factors() is { } factors)
            {
                common["rope_scaling"] = factors;
                if (model == "phi3") common["original_max_position_embeddings"] = factors["original_max_position_embeddings"]!.DeepClone();   // Phi-3 has it outside rope_scaling
                return;
            }
            var kind = file.Text($"{name}.rope.scaling.type") ?? (file.Number($"{name}.rope.scale_linear") is null ? "none" : "linear");
            if (kind == "none") return;
            var factor = file.Number($"{name}.rope.scaling.factor") ?? file.Number($"{name}.rope.scale_linear") ?? throw file.Damaged("its rotary scaling has no factor");
            common["rope_scaling"] = kind switch
            {
                "linear" => new JsonObject { ["rope_type"] = kind, ["factor"] = factor },
                "yarn" => Yarn(factor),
                _ => throw Unsupported($"the rotary scaling '{kind}'"),
            };
        }

        // llama.cpp multiplies the attention factor that follows from the factor.
        JsonObject Yarn(double factor)
        {
            var scaling = new JsonObject { ["rope_type"] = "yarn", ["factor"] = factor, ["original_max_position_embeddings"] = Size("rope.scaling.original_context_length") };
            foreach (var field in new[] { "beta_fast", "beta_slow" })
                if (file.Number($"{name}.rope.scaling.yarn_{field}") is { } given) scaling[field] = given;
            if (file.Flag($"{name}.rope.scaling.yarn_truncate") is { } truncate) scaling["truncate"] = truncate;
            if (file.Number($"{name}.rope.scaling.attn_factor") is { } attention) scaling["attention_factor"] = attention * new YarnScaling(factor, 1).AttentionFactor;
            foreach (var (field, neutral) in new[] { ("attn_factor", 1), ("ext_factor", 1), ("log_multiplier", 0) })
                if (file.Number($"{name}.rope.scaling.yarn_{field}") is { } other && other != neutral) throw Unsupported($"yarn_{field} = {other}");
            return scaling;
        }

        // A factor for each frequency: two lists for Phi-3 (LongRoPE), one for Llama 3.1, whose scaling settings are not in the file.
        JsonObject? Factors()
        {
            var (shorter, longer) = (Numbers("rope_factors_short.weight"), Numbers("rope_factors_long.weight"));
            if (Numbers("rope_freqs.weight") is { } all)
            {
                if (shorter is not null || longer is not null) throw file.Damaged("it has both rope_freqs and rope_factors");
                return new JsonObject { ["rope_type"] = "longrope", ["short_factor"] = all, ["long_factor"] = all.DeepClone(), ["factor"] = 1, ["attention_factor"] = 1, ["original_max_position_embeddings"] = Size("context_length") };
            }
            if (shorter is null && longer is null) return null;
            if (shorter is null || longer is null) throw file.Damaged("it has one of rope_factors_short and rope_factors_long, but not the other");
            var scaling = new JsonObject { ["rope_type"] = "longrope", ["short_factor"] = shorter, ["long_factor"] = longer, ["original_max_position_embeddings"] = Size("rope.scaling.original_context_length") };
            if (file.Number($"{name}.rope.scaling.attn_factor") is { } factor) scaling["attention_factor"] = factor;
            return scaling;
        }

        JsonArray? Numbers(string tensor)
        {
            if (!file.Tensors.ContainsKey(tensor)) return null;
            using var values = weights.Read(tensor, CPU);
            return [.. values.data<float>().Select(value => float.IsFinite(value) && value > 0 ? JsonValue.Create((double)value) : throw file.Damaged($"'{tensor}' contains {value}, which is not a positive factor"))];
        }

        double Epsilon(string key) => file.Number($"{name}.attention.{key}") ?? throw file.Damaged($"it has no '{name}.attention.{key}'");

        UnsupportedModelException Unsupported(string what) => new($"{file.Path}: GGUF files with {what} are not supported. Load the model from its folder in Hugging Face's layout.");
    }
}
