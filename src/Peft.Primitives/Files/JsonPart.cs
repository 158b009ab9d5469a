using System.Text.Json;
using System.Text;

namespace Peft;

/// <summary>A value in a JSON file with its path, for error messages.</summary>
/// <param name="Element">The value.</param>
/// <param name="Path">Its path.</param>
/// <param name="Failure">Creates the exception from a message and a cause.</param>
internal readonly record struct JsonPart(JsonElement Element, string Path, Func<string, Exception?, PeftException> Failure)
{
    public bool IsNull => Element.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined;

    public bool IsObject => Element.ValueKind == JsonValueKind.Object;

    public bool IsArray => Element.ValueKind == JsonValueKind.Array;

    /// <summary>A property; a null value if it is missing.</summary>
    public JsonPart this[string name]
    {
        get
        {
            Expect(JsonValueKind.Object, "an object");
            return this with { Element = Element.TryGetProperty(name, out var value) ? value : default, Path = $"{Path}.{name}" };
        }
    }

    public IEnumerable<JsonPart> Items()
    {
        Expect(JsonValueKind.Array, "an array");
        var own = this;
        return Element.EnumerateArray().Select((item, i) => own with { Element = item, Path = $"{own.Path}[{i}]" });
    }

    public IEnumerable<(string Name, JsonPart Value)> Properties()
    {
        Expect(JsonValueKind.Object, "an object");
        var own = this;
        return Element.EnumerateObject().Select(property => (property.Name, own with { Element = property.Value, Path = $"{own.Path}.{property.Name}" }));
    }

    public string AsString()
    {
        Expect(JsonValueKind.String, "a string");
        try
        {
            return Element.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw Failure($"{Path} is not valid Unicode text.", exception);
        }
    }

    public int AsInt()
        => Element.ValueKind == JsonValueKind.Number && Element.TryGetInt32(out var value) && value >= 0 ? value : throw Wrong("a non-negative integer");

    public long AsLong()
        => Element.ValueKind == JsonValueKind.Number && Element.TryGetInt64(out var value) && value >= 0 ? value : throw Wrong("a non-negative integer");

    public double AsDouble()
        => Element.ValueKind == JsonValueKind.Number && Element.TryGetDouble(out var value) && double.IsFinite(value) ? value : throw Wrong("a number");

    public bool AsBool() => Element.ValueKind is JsonValueKind.True or JsonValueKind.False ? Element.GetBoolean() : throw Wrong("true or false");

    public bool AsBool(bool absent) => IsNull ? absent : AsBool();

    public string AsString(string absent) => IsNull ? absent : AsString();

    public int AsInt(int absent) => IsNull ? absent : AsInt();

    public Rune AsCharacter()
    {
        var text = AsString();
        return Rune.TryGetRuneAt(text.Length > 0 ? text : "\uD800", 0, out var rune) && rune.Utf16SequenceLength == text.Length ? rune : throw Wrong("one character");
    }

    public TEnum AsEnum<TEnum>() where TEnum : struct, Enum
    {
        var text = AsString().Replace("_", "", StringComparison.Ordinal);
        return text.All(char.IsAsciiLetter) && Enum.TryParse<TEnum>(text, ignoreCase: true, out var value) ? value : throw Wrong($"one of {string.Join(", ", Enum.GetNames<TEnum>())}");
    }

    public PeftException Wrong(string expected)
        => Failure($"{Path} must be {expected}, but is {(IsNull ? "missing" : Describe())}. The file is damaged or of a newer format.", null);

    public PeftException Unsupported(string what) => Failure($"{Path}: {what} is not supported.", null);

    private string Describe()
    {
        var text = Element.GetRawText();
        return text.Length <= 60 ? text : string.Concat(text.AsSpan(0, 57), "...");
    }

    private void Expect(JsonValueKind kind, string expected)
    {
        if (Element.ValueKind != kind)
            throw Wrong(expected);
    }
}
