using System.Text.Json.Nodes;

namespace Peft.Alignment.Tests;

/// <summary>The tokenizer of these tests, and rows for it.</summary>
internal static class Chats
{
    private const string Template = "{% if tools %}<tools>{{ tools | tojson }}</tools>{% endif %}{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' %}"
        + "{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% else %}{{ m['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% if polite %}{{ 'Please: ' }}{% endif %}{% endif %}";

    public static Tokenizer Tokenizer(string template = Template)
    {
        var tokenizer = global::Peft.Tokenizer.FromPretrained(Path.Combine(AppContext.BaseDirectory, "Data", "tokenizer"));
        tokenizer.ChatTemplate = ChatTemplate.Parse(template);
        return tokenizer;
    }

    public static JsonObject Row(string json) => JsonNode.Parse(json)!.AsObject();

    public static JsonObject Pair(string prompt, string chosen, string rejected) => new() { ["prompt"] = prompt, ["chosen"] = chosen, ["rejected"] = rejected };

    public static string Message(string role, string content) => $$"""{"role": "{{role}}", "content": "{{content}}"}""";

    public static string Text(IEnumerable<long> ids) => Tokenizer().Decode(ids.Select(id => (int)id), skipSpecialTokens: false);
}
