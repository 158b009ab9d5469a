using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Docs.Tests.Snippets;

public class Prefix : InFolder
{
    [Fact]
    public void Virtual_tokens()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        {
            // snippet: prefix-apply
            using var peft = model.ApplyPrefixTuning(virtualTokens: 16);   // keys and values in every layer, initialized to 0
            peft.PrintTrainableParameters();                               // trainable: 5,120 || all: 265,152 || 1.931%
            // end
            peft.CountParameters().ToString().ShouldBe("trainable: 5,120 || all: 265,152 || 1.931%");
        }
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        {
            // snippet: prefix-text
            using var peft = model.ApplyPrefixTuning("Once upon a time there was a girl named Lily.", tokenizer);
            string story = model.Generate("She", tokenizer, new GenerationOptions { MaxNewTokens = 20 });
            // end
            story.ShouldNotBeEmpty();
        }
        {
            using var tokens = tensor(new long[,] { { 1, 403, 407 }, { 1, 403, 407 } });
            // snippet: prefix-tasks
            using var peft = model.ApplyMultitaskPrompt(tasks: 3, virtualTokens: 8);
            using (peft.Tasks(0, 2))   // a task for each of two rows
            using (var logits = model.call(tokens)) { /* … */ }
            // end
        }
    }
}
