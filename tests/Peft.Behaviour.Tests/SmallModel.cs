using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

/// <summary>The base of these tests, a Llama of two layers with biases, and what is done with it.</summary>
internal static class SmallModel
{
    public const int Vocabulary = 40;

    public static ModelConfig Config { get; } = ModelConfig.Parse($$"""
        {
          "model_type": "llama", "vocab_size": {{Vocabulary}}, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
          "max_position_embeddings": 32, "attention_bias": true, "mlp_bias": true, "pad_token_id": 0, "eos_token_id": null, "bos_token_id": null, "initializer_range": 0.2
        }
        """);

    public static CausalLM Create(ScalarType type = ScalarType.Float32, Device? device = null)
    {
        var model = CausalLM.FromConfig(Config, seed: 3, new LoadOptions { Dtype = type, Device = device ?? CPU });
        using var _ = no_grad();
        manual_seed(4);
        foreach (var (_, bias) in model.named_parameters().Where(pair => pair.name.EndsWith("bias", StringComparison.Ordinal))) bias.normal_(0, 0.2);
        return model;
    }

    /// <summary>Token ids <c>[rows, 6]</c>, the same each time.</summary>
    public static Tensor Ids(int rows = 4)
    {
        manual_seed(17);
        return randint(1, Vocabulary, [rows, 6]);
    }

    /// <summary>Logits of some rows of <see cref="Ids"/>, or all; none for virtual tokens.</summary>
    public static Tensor Logits(this CausalLM model, params long[] rows)
    {
        using var _ = no_grad();
        var all = model.forward(new ModelInput { InputIds = rows.Length == 0 ? Ids() : Ids().index_select(0, tensor(rows)) });
        return all.narrow(1, all.shape[1] - 6, 6);
    }

    public static Batch Batch(int rows = 4) => new() { InputIds = Ids(rows), Labels = Ids(rows) };

    /// <summary>Gives a model an adapter of a method, active, that starts from a seed.</summary>
    public static PeftModel Adapt(this CausalLM model, string method, string name = PeftModel.DefaultName, int seed = 1, AdapterOptions? options = null)
    {
        var peft = new PeftModel(model);
        Sample.Of(method).Prepare(peft);
        return peft.AddSample(method, name, seed, options);
    }

    public static PeftModel AddSample(this PeftModel peft, string method, string name, int seed = 1, AdapterOptions? options = null)
    {
        peft.Add(name, (options ?? Sample.Of(method).Options) with { InitializationSeed = seed });
        peft.Activate(name);
        return peft;
    }

    /// <summary>The active adapters as if they had been trained, the same each time.</summary>
    public static PeftModel Trained(this PeftModel peft, int seed = 2, double size = 0.1) => peft.Shake(size, seed);

    /// <summary>Merges the active adapters, unless their method is not mergeable.</summary>
    public static bool TryMerge(this PeftModel peft)
    {
        try
        {
            peft.Merge();
            return true;
        }
        catch (NotMergeableException)
        {
            return false;
        }
    }

    /// <summary>The same options with one field of their file set.</summary>
    public static AdapterOptions With(this AdapterOptions options, string field, JsonNode value)
    {
        var fields = JsonNode.Parse(AdapterConfig.Write(options))!.AsObject();
        fields[field] = value;
        return AdapterConfig.Parse(fields.ToJsonString(JsonSerializerOptions.Default));
    }

    /// <summary>Equal but for sums in another order: float32 has 7 digits, of which a model of two layers loses up to three.</summary>
    public static void ShouldBeNear(this Tensor actual, Tensor expected)
        => actual.Difference(expected).ShouldBeLessThan(1e-4 * (1 + expected.Largest()));
}
