using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Peft.Server;

/// <summary>A function that the model may call.</summary>
internal sealed record Tool(string? Type, ToolFunction? Function)
{
    private static readonly JsonElement NoParameters = JsonElement.Parse("""{"type": "object", "properties": {}}""");

    public AITool Declaration()
    {
        if (Type != "function" || Function is not { Name.Length: > 0 } function) throw new ArgumentException("A tool is {\"type\": \"function\", \"function\": {\"name\": …, \"parameters\": …}}.");
        if (function.Strict == true) throw new NotSupportedException($"The tool '{function.Name}' is strict, but a local model cannot be forced to follow a schema: leave 'strict' out.");
        return AIFunctionFactory.CreateDeclaration(function.Name, function.Description ?? "", function.Parameters ?? NoParameters);
    }

    /// <summary>The mode that <c>tool_choice</c> names; the client refuses those that force a call.</summary>
    public static ChatToolMode? Mode(JsonElement? choice) => choice switch
    {
        null or { ValueKind: JsonValueKind.Null } => null,
        { ValueKind: JsonValueKind.String } text when text.ValueEquals("auto") => ChatToolMode.Auto,
        { ValueKind: JsonValueKind.String } text when text.ValueEquals("none") => ChatToolMode.None,
        { ValueKind: JsonValueKind.String } text when text.ValueEquals("required") => ChatToolMode.RequireAny,
        { ValueKind: JsonValueKind.Object } => ChatToolMode.RequireAny,
        _ => throw new ArgumentException("tool_choice is 'auto' or 'none'."),
    };
}
