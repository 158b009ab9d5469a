namespace Peft;

/// <summary>The format of a model's tool calls.</summary>
public enum ToolCallFormat
{
    /// <summary>Detected from the marks in the chat template; <see cref="None"/> if it has none.</summary>
    FromTemplate,

    /// <summary>No tool calls: all output is text.</summary>
    None,

    /// <summary>Hermes and Qwen: <c>&lt;tool_call&gt;{"name": …, "arguments": {…}}&lt;/tool_call&gt;</c>, any number of calls, with text before and between them.</summary>
    Hermes,

    /// <summary>
    /// Llama 3.1 and later: the answer is <c>{"name": …, "parameters": {…}}</c>, optionally after <c>&lt;|python_tag|&gt;</c>. Without that mark, only calls of the
    /// request's tools are recognized.
    /// </summary>
    Llama3,

    /// <summary>Mistral: <c>[TOOL_CALLS][{"name": …, "arguments": {…}, "id": …}]</c>, with text before the mark.</summary>
    Mistral,
}
