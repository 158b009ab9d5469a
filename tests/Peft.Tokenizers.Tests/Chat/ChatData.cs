using System.Text.Json.Nodes;

namespace Peft.Tokenizers.Tests.Chat;

/// <summary>What Jinja2 3.1.6 makes of templates and statements (make_expected.py).</summary>
internal static class ChatData
{
    public static readonly IReadOnlyDictionary<string, object?> Tokens = new Dictionary<string, object?> { ["bos_token"] = "<s>", ["eos_token"] = "</s>", ["unk_token"] = "<unk>" };

    public static string Folder => Path.Combine(AppContext.BaseDirectory, "Data", "chat");

    public static string Template(string name) => File.ReadAllText(Path.Combine(Folder, "templates", name + ".jinja"));

    public static JsonNode Read(string name) => JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, name)))!;

    /// <summary>A clock that stands at the time that the reference run saw.</summary>
    public sealed class FixedClock : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(2025, 3, 7, 16, 5, 9, TimeSpan.Zero);
    }
}
