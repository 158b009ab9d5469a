using Peft.Models;
using Peft.Modules;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Benchmarks;

/// <summary>The benchmarked models: real architectures and sizes with random weights.</summary>
internal static class Shapes
{
    /// <summary>Causal models.</summary>
    public static readonly string[] Names = ["gpt2", "smollm135m", "stories260k"];

    /// <summary>Encoders: of the size of all-MiniLM-L6-v2, and of BERT.</summary>
    public static readonly string[] Encoders = ["minilm", "bert"];

    /// <summary>A model with a typical LoRA adapter: on c_attn for GPT-2, on all linear layers for Llama.</summary>
    /// <param name="shape">A name of <see cref="Names"/>.</param>
    /// <param name="rank">The rank of LoRA.</param>
    /// <param name="quantization">How the linear modules are quantized; null for float32.</param>
    /// <param name="device">Where the model is; null for the CPU.</param>
    /// <param name="positions">Number of positions that are needed: a model with random weights and fewer gets more.</param>
    /// <param name="path">A file or folder to read; null for random weights.</param>
    /// <param name="dropout">Dropout of LoRA.</param>
    /// <param name="modelDropout">Dropout of the model: of embeddings, attention and residuals for GPT-2, of attention for Llama.</param>
    public static (CausalLM Model, PeftModel Peft) Adapted(string shape, int rank, QuantizationOptions? quantization = null, Device? device = null, int positions = 0, string? path = null, double dropout = 0, double modelDropout = 0)
    {
        var model = Model(shape, quantization, device, positions, path, modelDropout);
        return (model, Adapt(model, shape, rank, dropout));
    }

    /// <summary>The model of <see cref="Adapted"/> without an adapter.</summary>
    public static CausalLM Model(string shape, QuantizationOptions? quantization = null, Device? device = null, int positions = 0, string? path = null, double modelDropout = 0)
    {
        var model = path is null ? Random(shape, device, positions, modelDropout) : CausalLM.FromPretrained(path, new LoadOptions { Device = device });
        if (quantization is not null) model.Quantize(quantization);
        return model;
    }

    /// <summary>Applies the adapter of <see cref="Adapted"/>.</summary>
    public static PeftModel Adapt(CausalLM model, string shape, int rank, double dropout = 0)
        => model.ApplyAdapter(new LoraOptions { Rank = rank, Alpha = rank, TargetModules = shape == "gpt2" ? new[] { "c_attn" } : ModuleSelector.AllLinear, Dropout = dropout });

    private static CausalLM Random(string shape, Device? device, int positions, double dropout)
    {
        var config = ModelConfig.Parse(Config(shape));
        var limit = shape == "gpt2" ? "n_positions" : "max_position_embeddings";
        if (config[limit]!.GetValue<int>() < positions) config = config.With(limit, positions);
        foreach (var name in shape == "gpt2" ? ["resid_pdrop", "embd_pdrop", "attn_pdrop"] : new[] { "attention_dropout" }) config = config.With(name, dropout);
        return CausalLM.FromConfig(config, options: new LoadOptions { Device = device });
    }

    /// <summary>Megabytes of the linear modules that are not the head, and of all weights.</summary>
    public static (double Linear, double All) Megabytes(CausalLM model)
    {
        var stored = model.named_modules().Select(pair => pair.module).OfType<AdaptableModule>().Select(module => module.Storage).Distinct().Where(storage => storage.Parameter is null).Sum(storage => storage.Bytes);
        var linear = model.named_modules().Where(pair => pair.module is Linear or TransposedLinear && pair.module != model.HeadModule).Sum(pair => ((AdaptableModule)pair.module).Storage.Bytes);
        var parameters = model.named_parameters().Where(pair => !model.TiedParameters.Contains(pair.name)).Sum(pair => pair.parameter.numel() * pair.parameter.ElementSize);
        return (Math.Round(linear / 1048576.0, 1), Math.Round((stored + parameters) / 1048576.0, 1));
    }

    public static string Config(string shape) => shape switch
    {
        "gpt2" => """
            {"model_type":"gpt2","vocab_size":50257,"n_positions":1024,"n_embd":768,"n_layer":12,"n_head":12,"activation_function":"gelu_new",
             "layer_norm_epsilon":1e-5,"tie_word_embeddings":true}
            """,
        "smollm135m" => Llama(576, 30, 9, 3, 1536, 49152, 2048),
        "stories260k" => Llama(64, 5, 8, 4, 172, 512, 512),
        "minilm" => Bert(384, 6, 1536),
        "bert" => Bert(768, 12, 3072),
        _ => throw new ArgumentException($"Unknown shape '{shape}': use {string.Join(", ", [.. Names, .. Encoders])}."),
    };

    private static string Bert(int hidden, int layers, int width) => $$"""
        {"model_type":"bert","vocab_size":30522,"hidden_size":{{hidden}},"num_hidden_layers":{{layers}},"num_attention_heads":12,"intermediate_size":{{width}},"hidden_act":"gelu","max_position_embeddings":512,
         "type_vocab_size":2,"layer_norm_eps":1e-12,"pad_token_id":0}
        """;

    private static string Llama(int hidden, int layers, int heads, int keyValueHeads, int width, int vocabulary, int positions) => $$"""
        {"model_type":"llama","hidden_size":{{hidden}},"num_hidden_layers":{{layers}},"num_attention_heads":{{heads}},"num_key_value_heads":{{keyValueHeads}},
         "intermediate_size":{{width}},"vocab_size":{{vocabulary}},"max_position_embeddings":{{positions}},"rms_norm_eps":1e-5,"rope_theta":10000.0,
         "hidden_act":"silu","tie_word_embeddings":true}
        """;
}
