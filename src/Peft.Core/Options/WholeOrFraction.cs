using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>A number that is written without decimals if it is an integer: <c>16</c>, not <c>16.0</c>.</summary>
public sealed class WholeOrFraction : JsonConverter<double>
{
    /// <inheritdoc/>
    public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDouble();

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteRawValue(double.IsInteger(value) && Math.Abs(value) < 1e15 ? value.ToString("F0", CultureInfo.InvariantCulture) : PythonNumber.Format(value));
    }
}
