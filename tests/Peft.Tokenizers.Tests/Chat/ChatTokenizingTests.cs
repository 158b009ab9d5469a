using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace Peft.Tokenizers.Tests.Chat;

public class ChatTokenizingTests
{
    private static readonly ChatMessage[] Conversation =
    [
        new(ChatRole.User, "Say 😀 twice"), new(ChatRole.Assistant, "😀 😀 ok"), new(ChatRole.User, "thanks"), new(ChatRole.Assistant, "bye"),
    ];

    [Fact]
    public void The_tokens_are_those_of_the_rendered_text_without_added_special_tokens()
    {
        var tokenizer = Load("chatml");
        var chat = tokenizer.ApplyChatTemplate(Conversation, new() { AddGenerationPrompt = true });

        chat.Text.ShouldBe(ChatTemplate.Parse(ChatData.Template("chatml")).Render(Conversation, new() { AddGenerationPrompt = true }));
        chat.Ids.ShouldBe(tokenizer.Encode(chat.Text, addSpecialTokens: false));
    }

    [Fact]
    public void The_tokenizers_own_special_tokens_are_variables_of_the_template()
    {
        var tokenizer = Load("llama3");
        tokenizer.ApplyChatTemplate([new(ChatRole.User, "Hi")]).Text.ShouldStartWith("<|begin_of_text|><|start_header_id|>user");
    }

    [Theory]
    [InlineData("chatml-generation", "😀 😀 ok<|im_end|>|bye<|im_end|>")]
    [InlineData("chatml", "😀 😀 ok<|im_end|>\n|bye<|im_end|>\n")]
    public void The_mask_holds_what_the_assistant_writes_and_nothing_else(string template, string expected)
    {
        var tokenizer = Load(template);
        var chat = tokenizer.ApplyChatTemplate(Conversation, new() { Variables = new Dictionary<string, object?> { ["eos_token"] = "<|im_end|>" } });

        var runs = new List<List<int>>();
        for (var i = 0; i < chat.Ids.Count; i++)
        {
            if (!chat.AssistantMask[i]) continue;
            if (i == 0 || !chat.AssistantMask[i - 1]) runs.Add([]);
            runs[^1].Add(chat.Ids[i]);
        }
        string.Join('|', runs.Select(run => tokenizer.Decode(run, skipSpecialTokens: false))).ShouldBe(expected);
        chat.Labels.ShouldBe(chat.Ids.Select((id, i) => chat.AssistantMask[i] ? id : -100L));
    }

    [Fact]
    public void Padding_is_masked_and_the_conversation_may_be_json()
    {
        var tokenizer = Load("chatml-generation");
        var json = JsonNode.Parse("""[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}]""")!.AsArray();
        var plain = tokenizer.ApplyChatTemplate(json);
        var padded = tokenizer.ApplyChatTemplate(json, encoding: new() { Padding = PaddingStrategy.MaxLength, MaxLength = plain.Ids.Count + 3, PaddingSide = Side.Left, PadId = 0 });

        padded.AssistantMask.ShouldBe([false, false, false, .. plain.AssistantMask]);
        padded.Labels.Take(3).ShouldAllBe(label => label == -100);
        plain.AssistantMask.ShouldContain(true);
    }

    [Fact]
    public void Labels_are_refused_where_the_template_does_not_tell_whose_words_are_whose()
    {
        var rewriting = Load("{% for m in messages %}{% if loop.last or m.role == 'user' %}{{ m.content }} {% endif %}{% endfor %}", asText: true);
        Should.Throw<ChatTemplateException>(() => rewriting.ApplyChatTemplate(Conversation).Labels).Message.ShouldContain("{% generation %}");

        var captured = Load("{% set x %}{% generation %}a{% endgeneration %}{% endset %}\n{{ x }}", asText: true);
        captured.ApplyChatTemplate(Conversation).Text.ShouldBe("a");
        Should.Throw<ChatTemplateException>(() => captured.ApplyChatTemplate(Conversation).AssistantMask).Line.ShouldBe(1);
    }

    [Fact]
    public void A_continued_message_ends_the_assistants_words()
    {
        var chat = Load("chatml-generation").ApplyChatTemplate([new(ChatRole.User, "Hi"), new(ChatRole.Assistant, "Yes and")], new() { ContinueFinalMessage = true });
        chat.Text.ShouldEndWith("assistant\nYes and");
        chat.AssistantMask[^1].ShouldBeTrue();
        Load("chatml").ApplyChatTemplate([new(ChatRole.User, "Hi"), new(ChatRole.Assistant, "Yes and")], new() { ContinueFinalMessage = true }).AssistantMask.ShouldContain(true);
    }

    [Fact]
    public void A_tokenizer_without_a_template_says_so_and_finds_one_beside_its_file()
    {
        var tokenizer = Tokenizer.FromPretrained(Expected.Folder("stories260K"));
        tokenizer.ChatTemplate.ShouldBeNull();
        Should.Throw<ChatTemplateException>(() => tokenizer.ApplyChatTemplate(Conversation)).Message.ShouldContain("no chat template");

        using var folder = new TemporaryFolder();
        foreach (var file in new[] { "tokenizer.json", "tokenizer_config.json" }) folder.Write(file, File.ReadAllText(Path.Combine(Expected.Folder("stories260K"), file)));
        folder.Write("chat_template.jinja", "{{ bos_token }}{{ messages[0].content }}");
        Tokenizer.FromPretrained(folder.Path).ApplyChatTemplate(Conversation).Text.ShouldBe("<s>Say 😀 twice");
    }

    private static Tokenizer Load(string template, bool asText = false)
    {
        var tokenizer = Tokenizer.FromPretrained(Path.Combine(AppContext.BaseDirectory, "Data", "tokenizers", "llama3-qwen-bpe"));
        tokenizer.ChatTemplate = ChatTemplate.Parse(asText ? template : ChatData.Template(template));
        return tokenizer;
    }
}
