using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Text.Json;
using TorchSharp;

namespace Peft;

/// <summary>
/// Registers text converters for option types that this library does not define. .NET's settings binder silently skips a single value where it expects a list
/// or a map. With the converters, <c>"LayersToTransform": 3</c> is a list of one element, and text instead of a map is an error.
/// </summary>
internal static class TextForms
{
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "A program may bind settings before it calls anything else of this library.")]
    internal static void Register()
    {
        Add<IReadOnlyList<int>>();
        Add<IReadOnlyList<string>>();
        Add<IReadOnlyList<IReadOnlyList<int>>>();
        Add<IReadOnlyList<AdapterOptions>>();
        Add<IReadOnlyList<ParameterGroup>>();
        Add<IReadOnlyDictionary<string, int>>();
        Add<IReadOnlyDictionary<string, double>>();
        Add<IReadOnlyDictionary<string, string>>();
        Add<IReadOnlyDictionary<string, object?>>();
        Add<IReadOnlyDictionary<string, JsonElement>>();
        Add<JsonElement>();
        Add<IReadOnlyDictionary<string, IReadOnlyList<bool>>>();
        TypeDescriptor.AddAttributes(typeof(torch.Device), new TypeConverterAttribute(typeof(DeviceText)));
    }

    private static void Add<T>() => TypeDescriptor.AddAttributes(typeof(T), new TypeConverterAttribute(typeof(TextConverter<T>)));

    /// <summary>Reads a device in torch's notation: <c>cpu</c>, <c>cuda:1</c>.</summary>
    private sealed class DeviceText : TypeConverter
    {
        public override bool CanConvertFrom(ITypeDescriptorContext? context, Type sourceType) => sourceType == typeof(string);

        public override object ConvertFrom(ITypeDescriptorContext? context, System.Globalization.CultureInfo? culture, object value)
        {
            if (value is not string text) throw GetConvertFromException(value);
            try
            {
                return new torch.Device(text);
            }
            catch (Exception error) when (error is ArgumentException or FormatException or OverflowException)
            {
                throw new FormatException($"'{text}' is not a device. Devices are cpu, cuda and cuda:N, with the number N of a GPU from 0 on{(text.StartsWith("gpu", StringComparison.OrdinalIgnoreCase) ? ": use cuda for a GPU" : "")}.");   // without the cause, which is no sentence
            }
        }
    }
}
