using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>Writes floating-point numbers as Python does (<c>0.0</c>, <c>1e-05</c>), as in Hugging Face's files.</summary>
internal sealed class PythonNumber : JsonConverter<double>
{
    public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDouble();

    public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options) => writer.WriteRawValue(Format(value));

    // Python's repr: shortest digits; an exponent of at least two digits below 1e-4 and from 1e16.
    public static string Format(double value)
    {
        if (!double.IsFinite(value)) throw new AdapterOptionsException($"{value} cannot be written as JSON: use a finite number.");
        var magnitude = Math.Abs(value);
        if (magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e16))
        {
            var text = value.ToString("E16", CultureInfo.InvariantCulture);
            var shortest = value.ToString("R", CultureInfo.InvariantCulture);
            var exponent = int.Parse(text.AsSpan(text.IndexOf('E') + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
            var digits = new string([.. shortest.TakeWhile(c => c != 'E').Where(char.IsAsciiDigit)]).TrimStart('0').TrimEnd('0');
            var mantissa = digits.Length > 1 ? $"{digits[0]}.{digits[1..]}" : digits;
            return $"{(value < 0 ? "-" : "")}{mantissa}e{(exponent < 0 ? "-" : "+")}{Math.Abs(exponent):00}";
        }
        var plain = value.ToString("0.0################", CultureInfo.InvariantCulture);
        return double.Parse(plain, CultureInfo.InvariantCulture) == value ? plain : value.ToString("R", CultureInfo.InvariantCulture);
    }
}
