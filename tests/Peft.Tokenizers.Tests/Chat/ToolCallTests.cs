using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Peft.Tokenizers.Tests.Chat;

public class ToolCallTests
{
    private static readonly string[] Offered = ["weather", "time"];

    /// <summary>Format, answer, and what it holds: text as it is, calls as name(arguments).</summary>
    public static TheoryData<string, string, string[]> Answers => new()
    {
        { "Hermes", "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Köln\", \"days\": 2}}\n</tool_call>", ["weather({\"city\":\"Köln\",\"days\":2})"] },
        { "Hermes", "Let me see.\n<tool_call>{\"name\": \"weather\", \"arguments\": {}}</tool_call>\n<tool_call>{\"name\": \"time\", \"arguments\": {\"zone\": {\"h\": 1}}}</tool_call>\n", ["Let me see.", "weather({})", "time({\"zone\":{\"h\":1}})"] },
        { "Hermes", "<tool_call>{\"name\": \"weather\", \"arguments\": {}}", ["weather({})"] },   // the end of sequence came in place of the last mark
        { "Hermes", "<tool_call>{\"name\": \"weather\", \"arguments\": {</tool_call> sorry", ["<tool_call>{\"name\": \"weather\", \"arguments\": {</tool_call> sorry"] },
        { "Hermes", "<tool_call>{\"arguments\": {}}</tool_call>", ["<tool_call>{\"arguments\": {}}</tool_call>"] },
        { "Hermes", "<tool_call>{\"name\": \"weather\", \"arguments\": [1]}</tool_call>", ["<tool_call>{\"name\": \"weather\", \"arguments\": [1]}</tool_call>"] },
        { "Hermes", "a < b, <tool_ and <tool_call", ["a < b, <tool_ and <tool_call"] },
        { "Hermes", "<tool_call>", ["<tool_call>"] },
        { "Hermes", " \n ", [" \n "] },
        { "Hermes", "<tool_call>{\"name\": \"weather\", \"arguments\": {}}</tool_call> and \n then \n", ["weather({})", " and \n then \n"] },
        { "Llama3", "{\"name\": \"weather\", \"parameters\": {\"city\": \"Rom\"}}", ["weather({\"city\":\"Rom\"})"] },
        { "Llama3", "<|python_tag|>{\"name\": \"other\", \"parameters\": {}}", ["other({})"] },
        { "Llama3", "\n{\"type\": \"function\", \"name\": \"time\", \"parameters\": {}} ", ["time({})"] },
        { "Llama3", "{\"name\": \"Ada\", \"parameters\": {}}", ["{\"name\": \"Ada\", \"parameters\": {}}"] },   // an object that was asked for, no call
        { "Llama3", "{\"name\": \"weather\"", ["{\"name\": \"weather\""] },
        { "Llama3", "It is {\"name\": \"weather\", \"parameters\": {}}", ["It is {\"name\": \"weather\", \"parameters\": {}}"] },
        { "Mistral", "[TOOL_CALLS][{\"name\": \"weather\", \"arguments\": {\"city\": \"Rom\"}}, {\"name\": \"time\", \"arguments\": {}}]", ["weather({\"city\":\"Rom\"})", "time({})"] },
        { "Mistral", "Well: [TOOL_CALLS] [{\"name\": \"weather\", \"arguments\": {}}]", ["Well:", "weather({})"] },
        { "Mistral", "[TOOL_CALLS]{\"name\": \"weather\", \"arguments\": {}}", ["[TOOL_CALLS]{\"name\": \"weather\", \"arguments\": {}}"] },
        { "Mistral", "[TOOL_CALLS][]", ["[TOOL_CALLS][]"] },
    };

    [Theory, MemberData(nameof(Answers))]
    public void Calls_are_found_whatever_the_pieces_and_the_rest_stays_text(string format, string answer, string[] expected)
    {
        var marks = ToolCallMarks.Of(Enum.Parse<ToolCallFormat>(format), ChatTemplate.Parse(""))!;
        foreach (var size in new[] { 1, 2, 3, 5, 7, answer.Length })
        {
            var reader = new ToolCallReader(marks, Offered);
            var contents = new List<AIContent>();
            for (var start = 0; start < answer.Length; start += size) contents.AddRange(reader.Push(answer[start..Math.Min(start + size, answer.Length)]));
            contents.AddRange(reader.Flush());

            var parts = new List<string>();
            var joins = false;
            foreach (var content in contents)
            {
                if (content is TextContent text && joins) parts[^1] += text.Text;
                else parts.Add(content is FunctionCallContent call ? $"{call.Name}({JsonSerializer.Serialize(call.Arguments, Plain)})" : content.ToString()!);
                joins = content is TextContent;
            }
            string.Join("|", parts).ShouldBe(string.Join("|", expected), $"pieces of {size}");
            reader.Called.ShouldBe(contents.OfType<FunctionCallContent>().Any());
        }
    }

    private static readonly JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    [Fact]
    public void Ids_are_the_models_own_or_nine_letters_that_differ()
    {
        var calls = ToolCallJson.Read("""[{"name": "a", "arguments": {}, "id": "abc123XYZ"}, {"name": "a", "arguments": {}}, {"name": "a", "arguments": {}}]""", ["arguments"], list: true)!;
        calls[0].CallId.ShouldBe("abc123XYZ");
        calls[1].CallId.Length.ShouldBe(9);
        calls[1].CallId.ShouldNotBe(calls[2].CallId);
    }

    [Theory]
    [InlineData("qwen-tools", "<tool_call>")]
    [InlineData("mistral-tools", "[TOOL_CALLS]")]
    [InlineData("llama3-tools", "<|python_tag|>")]
    [InlineData("chatml", null)]
    public void The_template_tells_the_format(string template, string? start)
        => ToolCallMarks.Of(ToolCallFormat.FromTemplate, ChatTemplate.Parse(ChatData.Template(template)))?.Start.ShouldBe(start);
}
