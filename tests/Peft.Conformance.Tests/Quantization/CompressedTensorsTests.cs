using System.Text.Json.Nodes;
using Peft.Checkpoints;
using Peft.Models;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>Checkpoints of compressed-tensors, whose tensors are computed here number by number, from the description of the format.</summary>
public class CompressedTensorsTests
{
    /// <param name="Format">Name of the format.</param>
    /// <param name="Bits">Bits per value.</param>
    /// <param name="GroupSize">Inputs per scale; 0 for one scale per output, -1 for one in all.</param>
    /// <param name="Symmetric">False for zeros.</param>
    /// <param name="Ordered">False for groups in another order (<c>weight_g_idx</c>).</param>
    public sealed record Case(string Format, int Bits, int GroupSize, bool Symmetric, bool Ordered = true);

    public static TheoryData<Case> Cases =>
    [
        new("pack-quantized", 4, 16, true), new("pack-quantized", 4, 16, false), new("pack-quantized", 4, 0, true), new("pack-quantized", 4, 0, false), new("pack-quantized", 8, 16, true), new("pack-quantized", 8, 0, false),
        new("pack-quantized", 4, 16, false, Ordered: false), new("int-quantized", 8, 0, true), new("int-quantized", 8, 0, false), new("int-quantized", 8, -1, true), new("int-quantized", 8, 16, false),
    ];

    [Theory, MemberData(nameof(Cases))]
    public void Weights_and_logits(Case kind) => Check(kind.Format, _ => kind, kind);

    [Theory]
    [InlineData("mixed-precision", "int-quantized", 0)]
    [InlineData("pack-quantized", "pack-quantized", 16)]
    public void Modules_may_have_other_settings(string format, string ofDown, int groupSize)
    {
        Case four = new("pack-quantized", 4, 16, false), eight = new(ofDown, 8, groupSize, true);
        Check(format, path => path.EndsWith("down_proj", StringComparison.Ordinal) ? eight : four, four, eight);
    }

    [Fact]
    public void Scales_of_a_quantized_cache_are_not_applied()
    {
        Case eight = new("int-quantized", 8, 0, true);
        Check(eight.Format, _ => eight, tensors => tensors["model.layers.0.self_attn.k_scale"] = tensors["model.layers.1.self_attn.v_scale"] = tensor(new[] { 0.5f }), eight);
    }

    private static void Check(string format, Func<string, Case> kindOf, params Case[] kinds) => Check(format, kindOf, _ => { }, kinds);

    private static void Check(string format, Func<string, Case> kindOf, Action<Dictionary<string, Tensor>> add, params Case[] kinds)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var plain = (CausalLM)AdaptedCase.LoadBase("llama");
        var tensors = plain.named_parameters().Where(each => !plain.TiedParameters.Contains(each.name)).ToDictionary(each => each.name, each => each.parameter.detach());
        var expected = new Dictionary<string, float[,]>();
        foreach (var path in tensors.Keys.Where(name => name.EndsWith("_proj.weight", StringComparison.Ordinal)).Select(name => name[..^".weight".Length]).ToList())
        {
            tensors.Remove(path + ".weight", out var weight);
            expected[path] = Write(kindOf(path), path, weight!, tensors);
            weight!.copy_(tensor(expected[path]));
        }
        add(tensors);
        using var folder = new TemporaryFolder();
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(Oracle.Base("llama"), "config.json")))!;
        config["quantization_config"] = new JsonObject
        {
            ["quant_method"] = "compressed-tensors", ["format"] = format, ["quantization_status"] = "compressed", ["ignore"] = new JsonArray("lm_head"),
            ["config_groups"] = new JsonObject(kinds.Select((kind, i) => KeyValuePair.Create($"group_{i}", (JsonNode?)Group(kind)))),
        };
        folder.Write("config.json", config.ToJsonString());
        SafetensorsWriter.Write(folder["model.safetensors"], tensors);

        using var model = CausalLM.FromPretrained(folder);
        var weights = model.QuantizedWeights();
        weights.Keys.Order(StringComparer.Ordinal).ShouldBe(expected.Keys.Order(StringComparer.Ordinal));
        foreach (var (path, weight) in weights)
        {
            weight.Read().ShouldBeExactly(tensor(expected[path]));
            weight.Matrix.Kind.ShouldBe($"int{kindOf(path).Bits}");
        }
        var ids = tensor(Enumerable.Range(3, 14).Select(i => (long)i).ToArray()).unsqueeze(0);
        model.call(ids).RelativeDifference(plain.call(ids)).ShouldBeLessThan(1e-5);
    }

    private static JsonObject Group(Case kind) => new()
    {
        ["targets"] = new JsonArray("Linear"), ["input_activations"] = null, ["format"] = kind.Format,
        ["weights"] = new JsonObject
        {
            ["num_bits"] = kind.Bits, ["type"] = "int", ["symmetric"] = kind.Symmetric, ["strategy"] = kind.GroupSize switch { > 0 => "group", 0 => "channel", _ => "tensor" },
            ["group_size"] = kind.GroupSize > 0 ? kind.GroupSize : null, ["actorder"] = kind.Ordered ? null : "group",
        },
    };

    // Quantizes a weight, adds its tensors, and gives the values that they stand for: (q − zero)·scale.
    private static float[,] Write(Case kind, string path, Tensor weight, Dictionary<string, Tensor> tensors)
    {
        var (rows, columns) = ((int)weight.shape[0], (int)weight.shape[1]);
        var values = weight.data<float>().ToArray();
        var size = kind.GroupSize > 0 ? kind.GroupSize : columns;
        var groups = columns / size;
        int[] groupOf = [.. Enumerable.Range(0, columns).Select(i => kind.Ordered ? i / size : i * 5 % columns / size)];
        var (low, high) = (-(1 << (kind.Bits - 1)), (1 << (kind.Bits - 1)) - 1);
        var (scales, zeros) = (new float[rows, groups], new int[rows, groups]);
        for (var row = 0; row < rows; row++)
            for (var group = 0; group < groups; group++)
            {
                var own = Enumerable.Range(0, columns).Where(i => groupOf[i] == group).Select(i => values[row * columns + i]).ToArray();
                if (kind.GroupSize < 0) own = values;
                var (least, most) = (Math.Min(0, own.Min()), Math.Max(0, own.Max()));
                scales[row, group] = kind.Symmetric ? Math.Max(-least, most) / high : (most - least) / (high - low);
                zeros[row, group] = kind.Symmetric ? 0 : (int)Math.Round(low - least / scales[row, group]);
            }
        var codes = new int[rows, columns];
        var result = new float[rows, columns];
        for (var row = 0; row < rows; row++)
            for (var i = 0; i < columns; i++)
            {
                var (scale, zero) = (scales[row, groupOf[i]], zeros[row, groupOf[i]]);
                codes[row, i] = (int)Math.Clamp(Math.Round(values[row * columns + i] / scale) + zero, low, high);
                result[row, i] = (codes[row, i] - zero) * scale;
            }
        tensors[path + ".weight_scale"] = kind.GroupSize < 0 ? tensor(new[] { scales[0, 0] }) : tensor(scales);
        var packs = kind.Format == "pack-quantized";
        if (packs)
        {
            tensors[path + ".weight_packed"] = tensor(Packed(codes, kind.Bits));
            tensors[path + ".weight_shape"] = tensor(new long[] { rows, columns });
            if (!kind.Symmetric) tensors[path + ".weight_zero_point"] = tensor(Turned(Packed(Turned(zeros), kind.Bits)));   // along the outputs
        }
        else
        {
            tensors[path + ".weight"] = tensor(codes).to(ScalarType.Int8);
            if (!kind.Symmetric) tensors[path + ".weight_zero_point"] = tensor(zeros).to(ScalarType.Int8);
        }
        if (!kind.Ordered) tensors[path + ".weight_g_idx"] = tensor(groupOf);
        return result;
    }

    // Numbers plus half of their range, the first in the lowest bits of a word.
    private static int[,] Packed(int[,] numbers, int bits)
    {
        var (rows, columns, each) = (numbers.GetLength(0), numbers.GetLength(1), 32 / bits);
        var words = new int[rows, (columns + each - 1) / each];
        for (var row = 0; row < rows; row++)
            for (var i = 0; i < columns; i++)
                words[row, i / each] |= (numbers[row, i] + (1 << (bits - 1))) << (i % each * bits);
        return words;
    }

    private static int[,] Turned(int[,] matrix)
    {
        var turned = new int[matrix.GetLength(1), matrix.GetLength(0)];
        for (var i = 0; i < turned.GetLength(0); i++)
            for (var j = 0; j < turned.GetLength(1); j++) turned[i, j] = matrix[j, i];
        return turned;
    }
}
