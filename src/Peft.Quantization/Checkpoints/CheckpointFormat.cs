using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Quantization.Checkpoints;

/// <summary>How the quantized weights of a checkpoint are stored: <c>quantization_config</c> of its <c>config.json</c>.</summary>
internal abstract class CheckpointFormat
{
    private static readonly Dictionary<string, Func<JsonPart, CheckpointFormat>> Known = new()
    {
        ["bitsandbytes"] = _ => new BitsAndBytesFormat(),
        ["gptq"] = config => new GptqFormat(config),
        ["awq"] = config => new AwqFormat(config),
        ["fp8"] = config => new Float8Format(config),
        ["compressed-tensors"] = config => new CompressedTensorsFormat(config),
    };

    /// <summary>The name of the format, as <c>quant_method</c> has it.</summary>
    public abstract string Name { get; }

    /// <summary>What follows a module's path in the name of the tensor that marks a quantized weight.</summary>
    protected abstract IEnumerable<string> Marks { get; }

    /// <summary>What may follow the path of a quantized module, besides its bias.</summary>
    protected abstract IReadOnlyList<string> Parts { get; }

    /// <summary>Reads the weight of a module.</summary>
    protected abstract QuantizedMatrix Read(QuantizedModule module);

    /// <summary>True if the configuration is that of a weight.</summary>
    public virtual bool Describes(QuantizedMatrix matrix) => false;

    /// <summary>The format of a configuration; null if there is none.</summary>
    /// <param name="config">The field <c>quantization_config</c>.</param>
    /// <param name="source">The file, for error messages.</param>
    /// <exception cref="QuantizationException">The format is not supported, or a setting is wrong.</exception>
    public static CheckpointFormat? Of(JsonNode? config, string source)
    {
        if (config is null) return null;
        var root = new JsonPart(JsonSerializer.SerializeToElement(config), $"{source}: quantization_config", (message, _) => new QuantizationException(message));
        var method = root["quant_method"] is { IsNull: false } named ? named.AsString() : root["load_in_4bit"].AsBool(false) || root["load_in_8bit"].AsBool(false) ? "bitsandbytes" : throw root["quant_method"].Wrong("a name");
        return Known.TryGetValue(method, out var make) ? make(root)
            : throw new QuantizationException($"{source}: weights of the kind '{method}' cannot be read. Supported are {string.Join(", ", Known.Keys)} and GGUF files: take another copy of the model, such as its float weights, and quantize while loading (LoadOptions.Quantization).");
    }

    /// <summary>True if a checkpoint holds the weight of a module in this format.</summary>
    /// <param name="path">Path of the module in the checkpoint.</param>
    /// <param name="keys">The names of all tensors.</param>
    public bool Holds(string path, IReadOnlySet<string> keys) => Marks.Any(mark => keys.Contains(path + mark));

    /// <summary>The names of the tensors that belong to a quantized module, without its bias.</summary>
    public IEnumerable<string> KeysOf(string path, IReadOnlySet<string> keys) => Parts.Select(part => path + part).Where(keys.Contains);

    /// <summary>Reads the weight of a module.</summary>
    /// <param name="files">The checkpoint.</param>
    /// <param name="path">Path of the module in the checkpoint.</param>
    /// <param name="rows">Number of outputs.</param>
    /// <param name="columns">Number of inputs.</param>
    /// <param name="device">The device to read to.</param>
    /// <exception cref="QuantizationException">Tensors are missing, or do not fit.</exception>
    /// <exception cref="CheckpointException">The file cannot be read.</exception>
    public QuantizedMatrix Read(ITensorSource files, string path, long rows, long columns, Device device)
    {
        using var scope = NewDisposeScope();
        var matrix = Read(new QuantizedModule(files, path, rows, columns, device));
        if (matrix.Rows == rows && matrix.Columns == columns) return matrix;
        using (matrix) throw new QuantizationException($"{path} holds [{matrix.Rows}, {matrix.Columns}] values, but the model has [{rows}, {columns}] there: the weights belong to another model.");
    }
}
