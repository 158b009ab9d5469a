namespace Peft.Models.Tests.Tasks;

/// <summary>A small tokenizer with token types, and small encoders of its vocabulary.</summary>
internal static class TaskModels
{
    public static Tokenizer Pieces { get; } = Tokenizer.FromPretrained(Path.Combine(AppContext.BaseDirectory, "Data", "tokenizers", "bert-wordpiece"));

    public static Tokenizer Bytes { get; } = Tokenizer.FromPretrained(Path.Combine(AppContext.BaseDirectory, "Data", "tokenizers", "gpt2-bytelevel-bpe"));

    public static ModelConfig Bert { get; } = ModelConfig.Parse("""
        {"model_type":"bert","vocab_size":700,"hidden_size":32,"num_attention_heads":2,"num_hidden_layers":2,"intermediate_size":64,"max_position_embeddings":48,
         "type_vocab_size":2,"pad_token_id":0,"initializer_range":0.2,"hidden_dropout_prob":0,"attention_probs_dropout_prob":0}
        """);

    public static ModelConfig DistilBert { get; } = ModelConfig.Parse("""
        {"model_type":"distilbert","vocab_size":700,"dim":32,"n_heads":2,"n_layers":2,"hidden_dim":64,"max_position_embeddings":48,"pad_token_id":0,"initializer_range":0.2,"dropout":0,"attention_dropout":0}
        """);

    public static ModelConfig Llama { get; } = ModelConfig.Parse("""
        {"model_type":"llama","vocab_size":700,"hidden_size":32,"num_attention_heads":2,"num_hidden_layers":2,"intermediate_size":64,"max_position_embeddings":48,"initializer_range":0.2}
        """);

    /// <summary>A folder with a file.</summary>
    public static void InFile(string name, string text, Action<string> use)
    {
        var folder = Directory.CreateTempSubdirectory("peft-tasks-");
        try
        {
            var path = Path.Combine(folder.FullName, name);
            if (text.Length > 0) File.WriteAllText(path, text);
            use(path);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Texts of which each tells its class by one word.</summary>
    public static IEnumerable<(string Text, string Label)> Told(int count, int seed)
    {
        string[] words = ["speak", "heart", "noble", "night", "world", "prince", "before", "against"];
        var random = new Random(seed);
        for (var i = 0; i < count; i++)
        {
            var noise = Enumerable.Range(0, random.Next(2, 7)).Select(_ => words[random.Next(words.Length)]).ToList();
            var label = random.Next(2);
            noise.Insert(random.Next(noise.Count + 1), label == 0 ? "romeo" : "queen");
            yield return (string.Join(' ', noise), label == 0 ? "man" : "woman");
        }
    }
}
