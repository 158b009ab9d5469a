using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Models with a few tokens and weights so large that the tokens differ much, and what they say by a whole pass without a cache.</summary>
internal static class TinyModels
{
    public static LanguageModel Create(string kind, int vocabulary, long seed = 3)
    {
        var config = ModelConfig.FromFolder(Reference.Folder(kind)).With("vocab_size", vocabulary).With("initializer_range", 0.6).With("initializer_factor", 4.0);
        return kind == "t5" ? Seq2SeqLM.FromConfig(config, seed) : CausalLM.FromConfig(config, seed);
    }

    /// <summary>Log-probabilities of the next token.</summary>
    public static double[] Next(LanguageModel model, IReadOnlyList<int> prompt, IReadOnlyList<int> added)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var wasTraining = model.training;
        model.eval();
        var logits = model is Seq2SeqLM writer
            ? writer.forward(new ModelInput { InputIds = Row(prompt), DecoderInputIds = Row([writer.StartTokenId, .. added]) })
            : model.forward(new ModelInput { InputIds = Row([.. prompt, .. added]) });
        model.train(wasTraining);
        return [.. nn.functional.log_softmax(logits.narrow(1, -1, 1).to(float64), -1).cpu().data<double>()];
    }

    /// <summary>The likeliest tokens, one after another, each by a whole pass.</summary>
    public static List<int> Greedy(LanguageModel model, IReadOnlyList<int> prompt, int count)
    {
        var added = new List<int>();
        while (added.Count < count)
        {
            var next = Next(model, prompt, added);
            added.Add(Array.IndexOf(next, next.Max()));
        }
        return added;
    }

    private static Tensor Row(IReadOnlyList<int> ids) => tensor(ids.Select(id => (long)id).ToArray()).unsqueeze(0);
}
