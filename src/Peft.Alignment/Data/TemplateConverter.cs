using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;

namespace Peft;

/// <summary>Writes what a rendering follows from: the name of the template, its variables, and the tools with their schemas. The clock is left out: it is hashed as a date where it matters.</summary>
internal sealed class TemplateConverter : JsonConverter<ChatTemplateOptions>
{
    public override ChatTemplateOptions Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => throw new NotSupportedException("Options of templates are not read.");

    public override void Write(Utf8JsonWriter writer, ChatTemplateOptions value, JsonSerializerOptions options)
        => JsonSerializer.Serialize(writer, new
        {
            value.TemplateName,
            Variables = value.Variables.OrderBy(each => each.Key, StringComparer.Ordinal).ToArray(),
            Tools = value.Tools?.Select(tool => new { tool.Name, tool.Description, Schema = (tool as AIFunctionDeclaration)?.JsonSchema }).ToArray(),
        });
}
