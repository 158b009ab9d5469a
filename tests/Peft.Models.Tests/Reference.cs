using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Models and expected values computed by transformers 5.12.1 in float32.</summary>
internal static class Reference
{
    public static string Folder(string name) => Path.Combine(AppContext.BaseDirectory, "Data", "bases", name);

    /// <summary>The model of a base, with the head that it was saved with.</summary>
    public static PretrainedModel Load(string name, LoadOptions? options = null) => name[(name.LastIndexOf('-') + 1)..] switch
    {
        "seqcls" => SequenceClassifier.FromPretrained(Folder(name), options),
        "tokcls" => TokenClassifier.FromPretrained(Folder(name), options),
        "qa" => QuestionAnswerer.FromPretrained(Folder(name), options),
        "mlm" => MaskedLM.FromPretrained(Folder(name), options),
        _ when new ModelRegistry().Describe(ModelConfig.FromFolder(Folder(name))).Kind == TransformerKind.EncoderDecoder => Seq2SeqLM.FromPretrained(Folder(name), options),
        _ => CausalLM.FromPretrained(Folder(name), options),
    };

    /// <summary>The batch of a base's io.safetensors.</summary>
    public static Batch Batch(string name)
    {
        var values = Values(name);
        return new()
        {
            InputIds = values["input_ids"], AttentionMask = values["attention_mask"], Labels = values.GetValueOrDefault("labels"),
            Extra = values.Where(pair => pair.Key.EndsWith("positions", StringComparison.Ordinal)).ToDictionary(),
        };
    }

    public static string Stories => Path.Combine(AppContext.BaseDirectory, "Data", "models", "stories260K");

    /// <summary>The tensors of a base's io.safetensors.</summary>
    public static Dictionary<string, Tensor> Values(string name)
    {
        using var file = SafetensorsFile.Open(Path.Combine(Folder(name), "io.safetensors"));
        return file.Keys.ToDictionary(key => key, key => file.Read(key));
    }

    public static List<int> Ids(this Tensor ids) => [.. ids.to(int64).contiguous().cpu().data<long>().Select(id => (int)id)];
}
