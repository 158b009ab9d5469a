using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace Peft.Tokenizers.Tests.Chat;

public class ChatTemplateTests
{
    private static readonly ChatMessage[] Nothing = [];
    private static readonly ChatTemplateOptions Prompt = new() { AddGenerationPrompt = true };

    private static readonly ChatMessage[] Conversation =
    [
        new(ChatRole.System, "Be kind."),
        new(ChatRole.User, "Weather in Paris?"),
        new(ChatRole.Assistant, [new TextReasoningContent("I must ask."), new FunctionCallContent("1", "weather", new Dictionary<string, object?> { ["city"] = "Paris", ["days"] = 2 })]),
        new(ChatRole.Tool, [new FunctionResultContent("1", new { Celsius = 21.5 })]),
        new(ChatRole.Assistant, "It is warm."),
    ];

    [Fact]
    public void Messages_of_Microsoft_Extensions_AI_have_the_fields_that_templates_expect()
    {
        var template = ChatTemplate.Parse("{% for m in messages %}{{ m | tojson }}\n{% endfor %}");

        template.Render([.. Conversation, new(ChatRole.User, "Thanks") { AuthorName = "Ann", AdditionalProperties = new() { ["mood"] = "good" } }]).TrimEnd().Split('\n').ShouldBe(
        [
            """{"role": "system", "content": "Be kind."}""",
            """{"role": "user", "content": "Weather in Paris?"}""",
            """{"role": "assistant", "content": "", "reasoning_content": "I must ask.", "tool_calls": [{"type": "function", "id": "1", "function": {"name": "weather", "arguments": {"city": "Paris", "days": 2}}}]}""",
            """{"role": "tool", "content": "{\"celsius\":21.5}", "tool_call_id": "1", "name": "weather"}""",
            """{"role": "assistant", "content": "It is warm."}""",
            """{"role": "user", "content": "Thanks", "name": "Ann", "mood": "good"}""",
        ]);
    }

    [Fact]
    public void Functions_are_described_as_transformers_describes_them()
    {
        var tool = AIFunctionFactory.CreateDeclaration("weather", "The weather of a city.", JsonNode.Parse("""{"title": "weather", "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}""")!.Deserialize<JsonElement>());
        ChatTemplate.Parse("{{ tools | tojson }}").Render(Nothing, new() { Tools = [tool] }).ShouldBe(
            """[{"type": "function", "function": {"name": "weather", "description": "The weather of a city.", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]""");
    }

    [Fact]
    public void Content_that_is_no_text_is_refused_by_name()
        => Should.Throw<ChatTemplateException>(() => ChatTemplate.Parse("x").Render([new(ChatRole.User, [new UriContent("https://example.org/cat.png", "image/png")])]))
            .Message.ShouldContain("UriContent");

    [Fact]
    public void A_tool_that_is_no_function_is_refused()
        => Should.Throw<ChatTemplateException>(() => ChatTemplate.Parse("{{ tools }}").Render(Nothing, new() { Tools = [new HostedWebSearchTool()] })).Message.ShouldContain("HostedWebSearchTool");

    [Theory]
    [InlineData("chatml", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello  and ")]
    [InlineData("llama3", "<s><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHello  and")]
    public void The_final_message_can_be_continued(string name, string expected)
    {
        var template = ChatTemplate.Parse(ChatData.Template(name), new Dictionary<string, string> { ["bos_token"] = "<s>" });
        template.Render([new(ChatRole.User, "Hi"), new(ChatRole.Assistant, "Hello  and ")], new() { ContinueFinalMessage = true }).ShouldBe(expected);
    }

    [Fact]
    public void The_final_message_cannot_be_continued_where_the_template_leaves_it_out()
    {
        Should.Throw<ChatTemplateException>(() => ChatTemplate.Parse("{{ messages[0].content }}").Render([new(ChatRole.User, "a"), new(ChatRole.Assistant, "b")], new() { ContinueFinalMessage = true }))
            .Message.ShouldContain("cannot be continued");
        Should.Throw<ChatTemplateException>(() => ChatTemplate.Parse("x").Render(Nothing, new() { ContinueFinalMessage = true })).Message.ShouldContain("no final message");
        Should.Throw<ArgumentException>(() => ChatTemplate.Parse("x").Render(Nothing, new() { ContinueFinalMessage = true, AddGenerationPrompt = true }));
    }

    [Fact]
    public void Folders_hold_templates_in_each_of_the_published_forms()
    {
        using var folder = new TemporaryFolder();
        Should.Throw<ChatTemplateException>(() => ChatTemplate.FromFolder(folder.Path)).Message.ShouldContain("no chat template");

        folder.Write("tokenizer_config.json", """{"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "add_bos_token": true, "image_token": "<img>", "chat_template": "{{ bos_token }}{{ eos_token }}{{ image_token }} config"}""");
        ChatTemplate.FromFolder(folder.Path).Render(Nothing).ShouldBe("<s></s><img> config");

        folder.Write("tokenizer_config.json", """{"chat_template": [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools"}, {"name": "rag", "template": "{{ documents | length }}"}]}""");
        var several = ChatTemplate.FromFolder(folder.Path);
        several.Names.ShouldBe(["default", "tool_use", "rag"]);
        several.Render(Nothing).ShouldBe("plain");
        several.Render(Nothing, new() { Tools = [] }).ShouldBe("tools");
        several.Render(Nothing, new() { TemplateName = "rag", Variables = new Dictionary<string, object?> { ["documents"] = new[] { "a", "b" } } }).ShouldBe("2");
        Should.Throw<ChatTemplateException>(() => several.Render(Nothing, new() { TemplateName = "nope" })).Message.ShouldContain("default, tool_use, rag");

        folder.Write("chat_template.json", """{"chat_template": "json"}""");
        ChatTemplate.FromFolder(folder.Path).Render(Nothing).ShouldBe("json");
        folder.Write("chat_template.jinja", "jinja\n");
        folder.Write("additional_chat_templates/tool_use.jinja", "more");
        ChatTemplate.FromFolder(folder.Path).Render(Nothing).ShouldBe("jinja");
        ChatTemplate.FromFolder(folder.Path).Render(Nothing, new() { Tools = [] }).ShouldBe("more");
    }

    [Theory]
    [InlineData("chat_template.jinja", "{% if %}", "line 1")]
    [InlineData("tokenizer_config.json", "{", "not valid JSON")]
    [InlineData("tokenizer_config.json", "[]", "not a JSON object")]
    [InlineData("tokenizer_config.json", """{"chat_template": 5}""", "must be a string")]
    [InlineData("chat_template.json", """{"chat_template": [{"name": 1}]}""", "must be a string")]
    public void A_folders_damaged_files_are_named(string file, string text, string expected)
    {
        using var folder = new TemporaryFolder();
        folder.Write(file, text);
        Should.Throw<ChatTemplateException>(() => ChatTemplate.FromFolder(folder.Path)).Message.ShouldContain(expected);
    }

    [Fact]
    public void An_error_names_its_line_and_a_refusal_its_words()
    {
        Should.Throw<ChatTemplateException>(() => ChatTemplate.Parse("one\n\n{{ two }\n")).Line.ShouldBe(3);
        var failed = Should.Throw<ChatTemplateException>(() => ChatTemplate.Parse("one\n{{ missing.name }}").Render(Nothing));
        failed.Line.ShouldBe(2);
        failed.Message.ShouldBe("Chat template, line 2: 'missing' is undefined.");
        failed.TemplateMessage.ShouldBeNull();
        var refused = Should.Throw<ChatTemplateException>(() => ChatTemplate.Parse("a\nb\n{{ raise_exception('No ' ~ messages | length) }}").Render(Nothing));
        refused.TemplateMessage.ShouldBe("No 0");
        refused.Message.ShouldBe("Chat template, line 3: The template rejects the conversation: No 0");
    }

    [Fact]
    public void Todays_date_comes_from_the_callers_clock()
        => ChatTemplate.Parse("{{ strftime_now('%d %b %Y') }}").Render(Nothing, new() { Clock = new ChatData.FixedClock() }).ShouldBe("07 Mar 2025");

    [Fact]
    public void Variables_go_before_those_that_templates_have_anyway()
    {
        var options = Prompt with { Variables = new Dictionary<string, object?> { ["tools"] = new JsonArray("t"), ["enable_thinking"] = false, ["n"] = 3, ["more"] = new Dictionary<string, object?> { ["k"] = 1.5f } } };
        ChatTemplate.Parse("{{ tools }} {{ enable_thinking }} {{ n }} {{ more }} {{ add_generation_prompt }} {{ documents }}").Render(Nothing, options).ShouldBe("['t'] False 3 {'k': 1.5} True None");
    }
}
