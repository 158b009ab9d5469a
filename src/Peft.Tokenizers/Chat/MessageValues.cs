using System.Text.Json;
using Microsoft.Extensions.AI;
using Peft.Tokenizers.Jinja;

namespace Peft.Tokenizers;

/// <summary>Converts messages and tools to the values that templates expect.</summary>
internal static class MessageValues
{
    private static readonly JsonSerializerOptions OnOneLine = new(AIJsonUtilities.DefaultOptions) { WriteIndented = false };

    public static PyList Of(IEnumerable<ChatMessage> messages)
    {
        var result = new List<object?>();
        // A result has only the id of its call, but templates need the name of the function.
        var functions = new Dictionary<string, string>();
        foreach (var message in messages)
        {
            if (message is null) throw new ArgumentException("A message of the conversation is null.", nameof(messages));
            foreach (var call in message.Contents.OfType<FunctionCallContent>()) functions[call.CallId] = call.Name;
            var results = message.Contents.OfType<FunctionResultContent>().ToList();
            result.AddRange(results.Select(each => Result(each, functions)));
            if (results.Count == 0 || message.Contents.Any(content => content is TextContent)) result.Add(Message(message));
        }
        return new(result);
    }

    /// <summary>Tools in the JSON format of transformers.</summary>
    public static PyList OfTools(IEnumerable<AITool> tools) => new([.. tools.Select(Tool)]);

    private static PyDict Message(ChatMessage message)
    {
        foreach (var content in message.Contents)
            if (content is not (TextContent or TextReasoningContent or FunctionCallContent or FunctionResultContent or UsageContent))
                throw new ChatTemplateException($"A message of the {message.Role} contains {content.GetType().Name}: only text, reasoning, function calls and their results can be rendered.");
        var value = new PyDict { ["role"] = message.Role.Value, ["content"] = message.Text };
        if (message.AuthorName is { } author) value["name"] = author;
        if (message.Contents.OfType<TextReasoningContent>().ToList() is { Count: > 0 } thoughts) value["reasoning_content"] = string.Concat(thoughts.Select(thought => thought.Text));
        if (message.Contents.OfType<FunctionCallContent>().ToList() is { Count: > 0 } calls) value["tool_calls"] = new PyList([.. calls.Select(Call)]);
        foreach (var (name, property) in message.AdditionalProperties ?? []) value[name] = PythonValue.Of(property, AIJsonUtilities.DefaultOptions);
        return value;
    }

    private static PyDict Call(FunctionCallContent call) => new()
    {
        ["type"] = "function",
        ["id"] = call.CallId,
        ["function"] = new PyDict { ["name"] = call.Name, ["arguments"] = PythonValue.Of(call.Arguments ?? new Dictionary<string, object?>(), AIJsonUtilities.DefaultOptions) },
    };

    private static PyDict Result(FunctionResultContent result, Dictionary<string, string> functions)
    {
        var content = PythonValue.Of(result.Result, AIJsonUtilities.DefaultOptions);
        var value = new PyDict
        {
            ["role"] = "tool",
            ["content"] = content as string ?? JsonSerializer.Serialize(result.Result, OnOneLine),
            ["tool_call_id"] = result.CallId,
        };
        if (functions.TryGetValue(result.CallId, out var name)) value["name"] = name;
        return value;
    }

    private static PyDict Tool(AITool tool)
    {
        if (tool is not AIFunctionDeclaration function)
            throw new ChatTemplateException($"The tool '{tool.Name}' is a {tool.GetType().Name}: local models only support functions.");
        var parameters = (PyDict)PythonValue.Of(function.JsonSchema)!;
        // The function already has its name and description.
        foreach (var repeated in new[] { "$schema", "title", "description" }) parameters.Remove(repeated, out _);
        return new()
        {
            ["type"] = "function",
            ["function"] = new PyDict { ["name"] = function.Name, ["description"] = function.Description, ["parameters"] = parameters },
        };
    }
}
