using System.Text.Json.Nodes;

namespace Peft.Tokenizers.Tests.Chat;

public class JinjaTests
{
    private static readonly JsonArray Conversations = ChatData.Read("conversations.json").AsArray();
    private static readonly JsonArray Expected = ChatData.Read("expected.json").AsArray();

    public static TheoryData<string> EveryTemplate => [.. Expected.Select(each => (string)each!["template"]!).Distinct()];

    [Theory, MemberData(nameof(EveryTemplate))]
    public void Conversations_are_rendered_as_by_Jinja2(string name)
    {
        var template = ChatTemplate.Parse(ChatData.Template(name));
        var wrong = Expected.Where(each => (string)each!["template"]! == name).Select(each => Difference(template, each!)).OfType<string>();
        string.Join("\n\n", wrong).ShouldBeEmpty();
    }

    [Fact]
    public void Statements_and_expressions_are_those_of_Jinja2()
    {
        var variables = ChatData.Read("variables.json").AsObject().ToDictionary(each => each.Key, each => (object?)each.Value);
        foreach (var (name, token) in ChatData.Tokens) variables[name] = token;
        var options = new ChatTemplateOptions { Variables = variables, Clock = new ChatData.FixedClock() };
        var cases = ChatData.Read("statements.json").AsArray();
        var wrong = cases.Select(each => Difference((string)each!["source"]!, Outcome(() => ChatTemplate.Parse((string)each["source"]!).Rendering(new JsonArray(), options)), each)).OfType<string>();
        string.Join("\n\n", wrong).ShouldBeEmpty();
        cases.Count.ShouldBeGreaterThan(600);
    }

    private static string? Difference(ChatTemplate template, JsonNode expected)
    {
        var conversation = Conversations.Single(each => (string)each!["name"]! == (string)expected["conversation"]!)!;
        var variables = new Dictionary<string, object?>(ChatData.Tokens);
        foreach (var (name, value) in conversation["variables"] as JsonObject ?? []) variables[name] = value;
        var options = new ChatTemplateOptions { AddGenerationPrompt = (bool)expected["prompt"]!, Variables = variables, Clock = new ChatData.FixedClock() };
        return Difference($"{expected["conversation"]}, prompt {expected["prompt"]}", Outcome(() => template.Rendering(conversation["messages"]!.AsArray(), options)), expected);
    }

    private static (ChatRendering? Rendering, ChatTemplateException? Error) Outcome(Func<ChatRendering> render)
    {
        try
        {
            return (render(), null);
        }
        catch (ChatTemplateException error)
        {
            return (null, error);
        }
    }

    private static string? Difference(string what, (ChatRendering? Rendering, ChatTemplateException? Error) actual, JsonNode expected)
    {
        if ((string?)expected["error"] is { } error)
        {
            if (actual.Error is null) return $"{what}\n  fails in Jinja2: {error}\n  but gave: {actual.Rendering!.Text}";
            if (actual.Error.Line is null) return $"{what}\n  the error names no line: {actual.Error.Message}";
            return expected["raised"] is not null && actual.Error.TemplateMessage != error ? $"{what}\n  raised: {error}\n  but here: {actual.Error.Message}" : null;
        }
        var text = (string)expected["text"]!;
        if (actual.Error is not null) return $"{what}\n  expected: {text}\n  but failed: {actual.Error.Message}";
        if (actual.Rendering!.Text != text) return $"{what}\n  expected: {text}\n  but gave: {actual.Rendering.Text}";
        if (expected["spans"] is not JsonArray spans) return null;
        var marked = string.Join(" ", spans.Select(span => $"{span![0]}-{span[1]}").Where(span => span.Split('-')[0] != span.Split('-')[1]));
        var here = string.Join(" ", actual.Rendering.AssistantSpans().Select(span => $"{span.Start}-{span.End}"));
        return here == marked ? null : $"{what}\n  expected spans: {marked}\n  but gave: {here}";
    }
}
