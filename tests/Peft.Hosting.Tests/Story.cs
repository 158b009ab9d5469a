using Microsoft.Extensions.AI;
using Peft.Models;
using Peft.Tokenizers;

namespace Peft.Hosting.Tests;

/// <summary>The bundled model with eight saved adapters, and a second version of each; and what they answer alone.</summary>
public sealed class Story : IDisposable
{
    public const string Template = "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}";

    private readonly TemporaryFolder folder = new();
    private readonly CausalLM model = CausalLM.FromPretrained(Model);
    private readonly PeftModel peft;
    private readonly CausalLMChatClient alone;
    private readonly MeanEmbeddingGenerator embeddings;

    public Story()
    {
        folder.Write("chat.jinja", Template);
        peft = new PeftModel(model);
        foreach (var name in Names.Concat(Names.Select(each => each + "-new")))
        {
            peft.Add(name, new LoraOptions { Rank = 2 + name.Length % 3, TargetModules = "all-linear" });
            peft.Activate(name);
            peft.Shake(0.15, seed: name.Sum(each => each) + name.Length);
            peft.SaveAdapter(Adapters, name);
        }
        var tokenizer = Tokenizer.FromPretrained(Model);
        tokenizer.ChatTemplate = ChatTemplate.Parse(Template);
        alone = model.AsChatClient(tokenizer, adapter: PeftModel.Base);
        embeddings = model.AsEmbeddingGenerator(tokenizer, PeftModel.Base);
    }

    public static string Model => Path.Combine(AppContext.BaseDirectory, "models", "stories260K");

    public static IReadOnlyList<string> Names { get; } = [.. Enumerable.Range(0, 8).Select(i => $"a{i}")];

    public TemporaryFolder Folder => folder;

    /// <summary>Where all adapters lie, each in a folder of its name.</summary>
    public string Adapters => folder["adapters"];

    /// <summary>The settings of a host.</summary>
    public string[] Settings(params string[] more) =>
    [
        $"--Peft:Model={Model}", $"--Peft:ChatTemplateFile={folder["chat.jinja"]}", $"--Peft:AdapterFolders:0={Adapters}",
        .. Names.Select(name => $"--Peft:Adapters:{name}={Path.Combine(Adapters, name)}"), .. more,
    ];

    /// <summary>The answer of an adapter, computed alone.</summary>
    public string Answer(string question, string? adapter, int tokens, float temperature = 0, long? seed = null)
    {
        lock (alone)
            return alone.GetResponseAsync(question, new() { ModelId = adapter ?? PeftModel.Base, MaxOutputTokens = tokens, Temperature = temperature, Seed = seed }).GetAwaiter().GetResult().Text;
    }

    /// <summary>The embedding of a text by an adapter.</summary>
    public float[] Embedding(string text, string? adapter)
        => embeddings.GenerateAsync([text], new() { ModelId = adapter ?? PeftModel.Base }).GetAwaiter().GetResult()[0].Vector.ToArray();

    public void Dispose()
    {
        peft.Dispose();
        model.Dispose();
        folder.Dispose();
    }
}
