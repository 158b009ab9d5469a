using Microsoft.Extensions.AI;

namespace Peft.Models.Tests.Chat;

public class FunctionCallTests
{
    private const string Template = "{{ bos_token }}{% for t in tools or [] %}{{ t.function.name }} {% endfor %}{% for m in messages %}{{ m.role }}: {{ m.content }}{% for c in m.tool_calls or [] %} <tool_call>{{ c.function.name }} {{ c.function.arguments | tojson }}{% endfor %}\n{% endfor %}assistant: ";

    [Fact]
    public async Task Functions_are_run_and_their_results_reach_the_model()
    {
        using var model = CausalLM.FromPretrained(Reference.Stories);
        var tokenizer = Tokenizer.FromPretrained(Reference.Stories);
        tokenizer.ChatTemplate = ChatTemplate.Parse(Template);
        var prompts = new List<string>();
        var script = new ScriptedAnswers(tokenizer, 2, prompt =>
        {
            if (prompts.LastOrDefault() != prompt) prompts.Add(prompt);
            return prompt.Contains("tool: 42") ? "He has 42 cats." : "Let me count. <tool_call>{\"name\": \"count\", \"arguments\": {\"what\": \"cats\"}}</tool_call>";
        });
        var generation = new GenerationOptions { DoSample = false, MaxNewTokens = 200, EndTokenIds = [2], LogitsProcessors = [script] };
        using var client = model.AsChatClient(tokenizer, generation).AsBuilder().UseFunctionInvocation().Build();
        var asked = new List<string>();
        var options = new ChatOptions { Tools = [AIFunctionFactory.Create((string what) => { asked.Add(what); return 42; }, "count")] };
        ChatMessage[] question = [new(ChatRole.User, "How many?")];

        var response = await client.GetResponseAsync(question, options);

        asked.ShouldBe(["cats"]);
        response.Messages[^1].Text.ShouldBe("He has 42 cats.");
        response.FinishReason.ShouldBe(ChatFinishReason.Stop);
        prompts.Count.ShouldBe(2);
        prompts[1].ShouldContain("assistant: Let me count.");
        prompts[1].ShouldContain("<tool_call>count {\"what\": \"cats\"}");
        prompts[1].ShouldContain("tool: 42");

        // Streamed, without the one who runs functions: the call comes whole, and without tools as text.
        using var bare = model.AsChatClient(tokenizer, generation);
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in bare.GetStreamingResponseAsync(question, options)) updates.Add(update);
        updates.SelectMany(update => update.Contents).OfType<FunctionCallContent>().Single().Arguments!["what"]!.ToString().ShouldBe("cats");
        string.Concat(updates.Select(update => update.Text)).ShouldBe("Let me count.");
        updates[^1].FinishReason.ShouldBe(ChatFinishReason.ToolCalls);
        (await bare.GetResponseAsync(question)).Text.ShouldContain("<tool_call>{\"name\"");
        using var plain = model.AsChatClient(tokenizer, generation, toolCalls: ToolCallFormat.None);
        (await plain.GetResponseAsync(question, options)).Text.ShouldContain("<tool_call>{\"name\"");
    }
}
