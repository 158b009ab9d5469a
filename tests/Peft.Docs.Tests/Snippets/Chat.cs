using Microsoft.Extensions.AI;
using Peft.Models;

namespace Peft.Docs.Tests.Snippets;

public class Chat : InFolder
{
    [Fact]
    public async Task Conversations()
    {
        // snippet: chat-client
        using var model = CausalLM.FromPretrained("models/stories260K");
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        tokenizer.ChatTemplate ??= ChatTemplate.Parse("""
            {{ bos_token }}{% for m in messages %}<|{{ m.role }}|>
            {% if m.role == 'assistant' %}{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}

            {% endfor %}{% if add_generation_prompt %}<|assistant|>
            {% endif %}
            """);

        using IChatClient client = model.AsChatClient(tokenizer);
        ChatMessage[] question = [new(ChatRole.User, "Tell me a story.")];
        await foreach (var update in client.GetStreamingResponseAsync(question, new() { MaxOutputTokens = 20, Temperature = 0.8f, Seed = 1 }))
            Console.Write(update.Text);
        // end
        tokenizer.ChatTemplate.Render([new(ChatRole.User, "Hi"), new(ChatRole.Assistant, "Hello!"), new(ChatRole.User, "Bye")], new() { AddGenerationPrompt = true })
            .ShouldBe("<|user|>\nHi\n<|assistant|>\nHello!\n<|user|>\nBye\n<|assistant|>\n");
        new ChatDataset([[new(ChatRole.User, "Hi"), new(ChatRole.Assistant, "Hello!")]], tokenizer).Warnings.ShouldBeEmpty();
        (await client.GetResponseAsync(question, new() { MaxOutputTokens = 3 })).Usage!.OutputTokenCount.ShouldBe(3);
    }

    [Fact]
    public async Task Tools()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        tokenizer.ChatTemplate = ChatTemplate.Parse("{{ bos_token }}{% for t in tools %}{{ t | tojson }} <tool_call>{% endfor %}{% for m in messages %}{{ m.content }}{% endfor %}");
        // snippet: chat-tools
        var weather = AIFunctionFactory.Create((string city) => $"21 degrees in {city}", "weather", "The weather of a city.");
        using IChatClient calling = model.AsChatClient(tokenizer).AsBuilder().UseFunctionInvocation().Build();
        ChatResponse answer = await calling.GetResponseAsync("How is Rome?", new() { Tools = [weather] });
        // end
        answer.Usage!.OutputTokenCount!.Value.ShouldBeGreaterThan(0);
    }

    [Fact]
    public void Templates_and_labels()
    {
        File.WriteAllText("models/stories260K/chat_template.jinja",
            "{% for m in messages %}<|{{ m.role }}|>\n{% generation %}{{ m.content }}{% endgeneration %}{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}");
        // snippet: chat-render
        ChatTemplate template = ChatTemplate.FromFolder("models/stories260K");
        ChatMessage[] messages = [new(ChatRole.User, "Hi"), new(ChatRole.Assistant, "Hello!"), new(ChatRole.User, "Bye")];
        string prompt = template.Render(messages, new() { AddGenerationPrompt = true });
        // end
        prompt.ShouldBe("<|user|>\nHi\n<|assistant|>\nHello!\n<|user|>\nBye\n<|assistant|>\n");

        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        // snippet: chat-labels
        ChatEncoding chat = tokenizer.ApplyChatTemplate(messages[..2]);
        IReadOnlyList<int> ids = chat.Ids;
        IReadOnlyList<long> labels = chat.Labels;   // the ids where the assistant speaks, -100 elsewhere
        // end
        labels.Count.ShouldBe(ids.Count);
        labels.ShouldContain(-100);
    }

    [Fact]
    public void Fine_tuning()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        tokenizer.ChatTemplate = ChatTemplate.Parse("{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}");
        using var peft = model.ApplyLora();
        File.WriteAllText("chats.jsonl", """{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]}""" + "\n");
        // snippet: chat-training
        // A line each: {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]}
        var chats = ChatDataset.FromFile("chats.jsonl", tokenizer, new ChatDatasetOptions { MaxLength = 256 });
        new Trainer(peft, chats, new TrainingOptions { MaxSteps = 5, LearningRate = 1e-3 }).Train();
        // end
        chats.Count.ShouldBe(1);
        chats.Warnings.ShouldBeEmpty();
    }
}
