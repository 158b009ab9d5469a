using Microsoft.Extensions.AI;
using Peft.Models;

namespace Peft.Docs.Tests.Snippets;

public class Serving : InFolder
{
    [Fact]
    public async Task Adapters_for_requests()
    {
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        tokenizer.ChatTemplate = ChatTemplate.Parse("{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}");
        string[] prompts = ["2 + 2 =", "Once", "Once"];
        using (var trained = CausalLM.FromPretrained("models/stories260K"))
        {
            using var adapters = trained.ApplyLora(rank: 2);
            adapters.SaveAdapter("out/stories");
            adapters.SaveAdapter("out/math");
        }
        // snippet: requests
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyAdapter("out/stories");                 // "default", active
        peft.LoadAdapter("out/math", name: "math");

        using (peft.WithAdapters("math"))                                   // for this request, in this execution flow
            Console.WriteLine(model.Generate("2 + 2 =", tokenizer));

        using (peft.Rows("math", "default", PeftModel.Base))                // or an adapter for each row of a batch
            model.Generate(prompts, tokenizer);
        // end

        // snippet: chat-adapters
        IChatClient math = model.AsChatClient(tokenizer, adapter: "math");  // one client for each adapter
        await math.GetResponseAsync("2 + 2 = ?");

        IChatClient any = model.AsChatClient(tokenizer);                    // or one client, and the request names the adapter
        await any.GetResponseAsync("2 + 2 = ?", new ChatOptions { ModelId = "math" });
        // end

        // snippet: continuous-batching
        using var batcher = new ContinuousBatcher(model, new() { MaxBatchSize = 16, MaxQueueLength = 256, MaxTokens = 32768 });
        IChatClient shared = batcher.AsChatClient(tokenizer);               // any number of concurrent requests
        await Task.WhenAll(
            shared.GetResponseAsync("2 + 2 = ?", new ChatOptions { ModelId = "math" }),
            shared.GetResponseAsync("Once upon a time", new ChatOptions { ModelId = "default" }));
        // end
        (await any.GetResponseAsync("2 + 2 = ?", new ChatOptions { ModelId = "math", MaxOutputTokens = 1 })).ModelId.ShouldBe("math");
        Should.Throw<ArgumentException>(() => { _ = any.GetStreamingResponseAsync("2", new ChatOptions { ModelId = "maths" }); }).Message.ShouldContain("math");
    }
}
