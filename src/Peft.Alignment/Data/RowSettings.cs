using System.Globalization;
using System.Text.Json;

namespace Peft;

/// <summary>The settings of a dataset as a text, for the key of its rows in a cache.</summary>
internal static class RowSettings
{
    private static readonly JsonSerializerOptions Form = new() { Converters = { new TemplateConverter() } };

    /// <summary>The settings, and the date if the chat template writes it into each conversation.</summary>
    public static string Text(object settings, Tokenizer tokenizer, ChatTemplateOptions? template = null)
        => settings.GetType().Name + JsonSerializer.Serialize(settings, settings.GetType(), Form)
            + (template is not null && tokenizer.ChatTemplate?.Sources.Any(source => source.Contains("strftime_now", StringComparison.Ordinal)) == true ? template.Clock.GetLocalNow().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) : "");
}
