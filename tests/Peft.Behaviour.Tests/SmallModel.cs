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

    private static readonly ModelConfig Config = ModelConfig.Parse($$"""
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

    /// <summary>Random values in all tensors of the active adapters, as if they had been trained.</summary>
    public static PeftModel Shake(this PeftModel peft, int seed = 2, double size = 0.1)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        manual_seed(seed);
        foreach (var tensor in peft.Trainables) tensor.Value.add_(randn_like(tensor.Value) * size);
        return peft;
    }

    /// <summary>The same options with one field of their file set.</summary>
    public static AdapterOptions With(this AdapterOptions options, string field, JsonNode value)
    {
        var fields = JsonNode.Parse(AdapterConfig.Write(options))!.AsObject();
        fields[field] = value;
        return AdapterConfig.Parse(fields.ToJsonString(JsonSerializerOptions.Default));
    }

    public static Dictionary<string, byte[]> Bits(this nn.Module model) => model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.Bits());

    public static Dictionary<string, byte[]> Bits(this PeftModel peft, string name = PeftModel.DefaultName)
        => peft.Find(name).Tensors.DistinctBy(pair => pair.Key).ToDictionary(pair => pair.Key, pair => pair.Tensor.Value.Bits());

    public static byte[] Bits(this Tensor tensor)
    {
        using var flat = tensor.detach().contiguous();
        return flat.bytes.ToArray();
    }

    public static void ShouldBeBits(this Dictionary<string, byte[]> actual, Dictionary<string, byte[]> expected)
    {
        actual.Keys.ShouldBe(expected.Keys, ignoreOrder: true);
        actual.Where(pair => !pair.Value.AsSpan().SequenceEqual(expected[pair.Key])).Select(pair => pair.Key).ShouldBeEmpty();
    }

    public static double Difference(Tensor a, Tensor b) => (a - b).abs().max().to_type(ScalarType.Float64).item<double>();

    /// <summary>Equal but for sums in another order: float32 has 7 digits, of which a model of two layers loses up to three.</summary>
    public static void ShouldBeNear(this Tensor actual, Tensor expected)
        => Difference(actual, expected).ShouldBeLessThan(1e-4 * (1 + expected.abs().max().to_type(ScalarType.Float64).item<double>()));
}
