namespace Peft.Models;

/// <summary>How a model writes that it calls tools.</summary>
public enum ToolCallFormat
{
    /// <summary>As the chat template shows: the format whose marks stand in it, and <see cref="None"/> if there are none.</summary>
    FromTemplate,

    /// <summary>Calls are text like any other.</summary>
    None,

    /// <summary>Hermes and Qwen: <c>&lt;tool_call&gt;{"name": …, "arguments": {…}}&lt;/tool_call&gt;</c>, any number of them, with text before and between.</summary>
    Hermes,

    /// <summary>Llama 3.1 and later: the answer is <c>{"name": …, "parameters": {…}}</c>, perhaps after <c>&lt;|python_tag|&gt;</c>. Without that mark only tools that were offered are called.</summary>
    Llama3,

    /// <summary>Mistral: <c>[TOOL_CALLS][{"name": …, "arguments": {…}, "id": …}]</c>, with text before it.</summary>
    Mistral,
}
