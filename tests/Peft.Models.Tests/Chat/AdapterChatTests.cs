using Microsoft.Extensions.AI;
using static TorchSharp.torch;

namespace Peft.Models.Tests.Chat;

/// <summary>A chat client for each adapter, or one for all: each answer is one adapter's, whatever else happens.</summary>
public sealed class AdapterChatTests : IDisposable
{
    private static readonly GenerationOptions Greedy = new() { DoSample = false, MaxNewTokens = 12 };
    private static readonly ChatMessage[] Question = [new(ChatRole.User, "Once upon a time")];

    private readonly CausalLM model = CausalLM.FromPretrained(Reference.Stories);
    private readonly Tokenizer tokenizer = Tokenizer.FromPretrained(Reference.Stories);
    private readonly PeftModel peft;
    private readonly Dictionary<string, string> answers = [];

    public AdapterChatTests()
    {
        tokenizer.ChatTemplate = ChatTemplate.Parse("{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}");
        peft = new PeftModel(model);
        using var client = model.AsChatClient(tokenizer, Greedy);
        foreach (var name in new[] { "math", "code", "other" })
        {
            peft.Add(name, new LoraOptions { Rank = 2, TargetModules = "all-linear" });
            peft.Activate(name);
            manual_seed(name.Length);
            using var _ = no_grad();
            foreach (var tensor in peft.Trainables) tensor.Value.normal_(0, name == "code" ? 0.2 : 0.15);
            answers[name] = client.GetResponseAsync(Question).Result.Text;
        }
        using (peft.WithoutAdapters()) answers[PeftModel.Base] = client.GetResponseAsync(Question).Result.Text;
        answers.Values.Distinct().Count().ShouldBe(4);
    }

    public void Dispose()
    {
        peft.Dispose();
        model.Dispose();
    }

    [Fact]
    public async Task Forty_requests_at_once_each_get_the_answer_of_their_adapter_while_others_are_activated_and_deleted()
    {
        using var any = model.AsChatClient(tokenizer, Greedy);
        var names = answers.Keys.ToArray();
        var requests = Enumerable.Range(0, 40).Select(async i =>
        {
            var name = names[i % names.Length];
            if (i % 3 == 0) return (name, Text: (await any.GetResponseAsync(Question, new() { ModelId = name })).Text);
            using var own = model.AsChatClient(tokenizer, Greedy, adapter: name);
            var text = "";
            await foreach (var update in own.GetStreamingResponseAsync(Question)) text += update.Text;
            return (name, Text: text);
        }).ToList();
        peft.Activate("other");
        peft.Rename("code", "renamed");
        peft.Delete("math");   // those who have asked still get its answer
        peft.Activate();
        foreach (var (name, text) in await Task.WhenAll(requests)) text.ShouldBe(answers[name], name);
        (await any.GetResponseAsync(Question, new() { ModelId = "renamed" })).Text.ShouldBe(answers["code"]);
    }

    [Fact]
    public async Task A_ModelId_that_names_no_adapter_is_refused_and_the_answer_says_which_wrote_it()
    {
        using var any = model.AsChatClient(tokenizer, Greedy);
        using var math = model.AsChatClient(tokenizer, Greedy, adapter: "math");
        Should.Throw<ArgumentException>(() => { _ = any.GetStreamingResponseAsync(Question, new() { ModelId = "maths" }); }).Message.ShouldContain("stories260K, math, code, other");
        Should.Throw<AdapterNotFoundException>(() => model.AsChatClient(tokenizer, Greedy, adapter: "maths"));
        (await any.GetResponseAsync(Question, new() { ModelId = "code" })).ModelId.ShouldBe("code");
        (await any.GetResponseAsync(Question, new() { ModelId = "stories260K" })).ModelId.ShouldBe("stories260K");
        (await math.GetResponseAsync(Question)).ModelId.ShouldBe("math");
        (await math.GetResponseAsync(Question, new() { ModelId = PeftModel.Base })).Text.ShouldBe(answers[PeftModel.Base]);

        var embeddings = model.AsEmbeddingGenerator(tokenizer, adapter: "math");
        var own = (await embeddings.GenerateAsync(["text"]))[0].Vector.ToArray();
        using (peft.WithAdapters("math")) own.ShouldBe((await model.AsEmbeddingGenerator(tokenizer).GenerateAsync(["text"]))[0].Vector.ToArray());
        own.ShouldNotBe((await embeddings.GenerateAsync(["text"], new() { ModelId = "code" }))[0].Vector.ToArray());
        await Should.ThrowAsync<ArgumentException>(() => embeddings.GenerateAsync(["text"], new() { ModelId = "maths" }));
    }
}
