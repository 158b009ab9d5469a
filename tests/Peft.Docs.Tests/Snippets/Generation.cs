using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Docs.Tests.Snippets;

public class Generation : InFolder
{
    [Fact]
    public void Texts_beams_and_rows()
    {
        // snippet: generate
        using var model = CausalLM.FromPretrained("models/stories260K");
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");

        string text = model.Generate("Once upon a time", tokenizer);                       // greedy search
        var sampling = new GenerationOptions { DoSample = true, Temperature = 0.8, TopP = 0.95, Seed = 7, MaxNewTokens = 40 };
        foreach (var piece in model.GenerateText("Once upon a time", tokenizer, sampling))    // streamed
            Console.Write(piece);

        string[] prompts = ["Once upon a time", "Tim had a red"];
        IReadOnlyList<string> all = model.Generate(prompts, tokenizer, sampling with { StopStrings = ["."] });
        // end
        text.ShouldNotBeEmpty();
        all.Count.ShouldBe(2);
        all.ShouldAllBe(each => !each.Contains('.'));

        // snippet: generate-beams
        var beams = new GenerationOptions { NumBeams = 4, NumReturnSequences = 2, LengthPenalty = 1, MaxNewTokens = 30 };
        IReadOnlyList<string> best = model.Generate(prompts, tokenizer, beams);            // two for each prompt, in order
        foreach (Hypothesis found in model.BeamSearch([tokenizer.Encode("Once upon a time")], beams)[0])
            Console.WriteLine($"{found.Score:F3}: {tokenizer.Decode(found.Tokens)}");
        // end
        best.Count.ShouldBe(4);

        // snippet: generate-own
        var words = tokenizer.Encode("the cat sat on the mat and the dog ran to the big red ball.");
        string simple = model.Generate("Once upon a time", tokenizer, new() { LogitsProcessors = [new OnlyFrom(words)], MaxNewTokens = 20 });
        // end
        tokenizer.Encode(simple, addSpecialTokens: false).ShouldNotBeEmpty();

        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 2 }, "pirate");
        // snippet: generate-rows
        using (peft.Rows("pirate", PeftModel.Base))                                        // an adapter for each row of the batch
            all = model.Generate(prompts, tokenizer, beams with { NumReturnSequences = 1 });
        // end
        all.ShouldBe([best[0], best[2]]);   // a new adapter changes nothing yet
    }

    // snippet: generate-processor
    /// <summary>Allows only the given tokens.</summary>
    public sealed class OnlyFrom(IEnumerable<int> allowed) : ILogitsProcessor
    {
        private readonly long[] ids = [.. allowed.Select(id => (long)id).Distinct()];

        public Tensor Process(LogitsContext context, Tensor scores)   // [rows, vocabulary]
        {
            var indices = tensor(ids, device: scores.device);
            return full_like(scores, double.NegativeInfinity).index_copy(-1, indices, scores.index_select(-1, indices));
        }
    }
    // end
}
