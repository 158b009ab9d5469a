using System.Buffers.Binary;
using System.Globalization;

namespace Peft.Checkpoints;

/// <summary>The description of a tensor in an ONNX file (<c>TensorProto</c> of github.com/onnx/onnx, onnx/onnx.proto), and the location of its elements.</summary>
internal sealed class OnnxTensor
{
    private const int MaxDimensions = 64, MaxTextBytes = 4096, RawData = 9;

    private readonly ByteWindow bytes;
    private readonly ProtoReader message;
    private readonly List<long> dimensions = [];
    private readonly Dictionary<string, string> external = [];
    private int elementField, chunks;
    private long elementBytes;
    private bool isExternal, isContiguous;

    /// <summary>Reads and checks a description.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="message">The description in it.</param>
    public OnnxTensor(ByteWindow bytes, ProtoReader message)
    {
        (this.bytes, this.message) = (bytes, message);
        long number = 0;
        for (var reader = message; reader.Next();)
        {
            switch (reader.Field)
            {
                case 1: AddDimensions(reader.Packed()); break;
                case 2: number = reader.Int64(); break;
                case 3: throw bytes.Damaged("a tensor in segments, which no exporter writes");
                case 4 or 5 or 6 or 7 or RawData or 10 or 11: AddElements(reader); break;
                case 8: Name = reader.Text(MaxTextBytes); break;
                case 13: AddExternal(reader.Message()); break;
                case 14: isExternal = reader.Int64() == 1; break;
            }
        }
        Shape = [.. dimensions];
        Type = OnnxType.Of(number) ?? throw Damaged($"the unknown data type {number}");
        if (Name.Length == 0) throw Damaged("no name");
        ByteLength = !IsReadable ? elementBytes : Type.Format.ByteLength(Shape) ?? throw Damaged("too many elements");
        if (isExternal) FindExternal();
        else if (IsReadable) CheckElements();
    }

    public string Name { get; } = "";

    public OnnxType Type { get; }

    public long[] Shape { get; }

    /// <summary>Size of the elements in bytes: in memory, or in the file for a type that cannot be read.</summary>
    public long ByteLength { get; private set; }

    /// <summary>Offset of the elements in the file that contains them.</summary>
    public long Offset { get; private set; }

    /// <summary>Path, relative to the model's folder, of the external data file that contains the elements; null if the model file contains them.</summary>
    public string? Location { get; private set; }

    /// <summary>True if the elements have the same layout in the file as in memory, or cannot be read at all; otherwise <see cref="Decode"/> reads them.</summary>
    public bool IsPlain => !IsReadable || Location is not null || ByteLength == 0 || (isContiguous && chunks == 1);

    /// <summary>Reads elements that are written as varints, or in several chunks.</summary>
    /// <param name="source">The file, through the caller's own buffer.</param>
    /// <param name="elements">Memory of <see cref="ByteLength"/>.</param>
    public void Decode(ByteWindow source, Span<byte> elements)
    {
        Span<byte> value = stackalloc byte[sizeof(ulong)];
        for (var reader = message.From(source); reader.Next();)
        {
            if (reader.Field != elementField) continue;
            if (IsFixed(elementField))
            {
                source.CopyTo(elements[..(int)reader.Length], reader.Start);
                elements = elements[(int)reader.Length..];
                continue;
            }
            int size = Type.Format.Bits / 8;
            for (var list = reader.Packed(); list.NextNumber(out ulong number); elements = elements[size..])
            {
                if (elements.Length < size) throw Damaged("more elements than its shape");
                BinaryPrimitives.WriteUInt64LittleEndian(value, number);
                value[..size].CopyTo(elements);
            }
        }
        if (!elements.IsEmpty) throw Damaged("fewer elements than its shape");
    }

    private bool IsReadable => Type.Format.Scalar is not null;

    private void AddDimensions(ProtoReader list)
    {
        while (list.NextNumber(out ulong length))
        {
            if (length > long.MaxValue) throw Damaged("a dimension of negative length");
            if (dimensions.Count == MaxDimensions) throw Damaged($"more than {MaxDimensions} dimensions");
            dimensions.Add((long)length);
        }
    }

    private void AddElements(ProtoReader reader)
    {
        if (reader.Length == 0) return;
        if (elementField != 0 && (elementField != reader.Field || elementField == RawData)) throw Damaged("elements in two fields");
        (elementField, Offset) = (reader.Field, reader.Start);
        isContiguous = reader.Field == RawData || (IsFixed(reader.Field) && reader.Wire == 2);
        elementBytes += reader.Length;
        chunks++;
    }

    private void AddExternal(ProtoReader entry)
    {
        var (key, value) = ("", "");
        while (entry.Next())
        {
            if (entry.Field == 1) key = entry.Text(MaxTextBytes);
            if (entry.Field == 2) value = entry.Text(MaxTextBytes);
        }
        if (external.Count == MaxDimensions || !external.TryAdd(key, value)) throw Damaged($"the external data '{key}' twice, or too many of them");
    }

    private void CheckElements()
    {
        if (elementField != 0 && elementField != RawData && elementField != Type.DataField) throw Damaged($"elements in field {elementField}, which is not that of {Type.Format.Name}");
        // A varint takes at least a byte, so that no shape requires more memory than eight times the file's length.
        bool fits = elementField == RawData || IsFixed(elementField) ? elementBytes == ByteLength : ByteLength / (Type.Format.Bits / 8) <= elementBytes;
        if (!fits) throw Damaged($"{elementBytes} bytes of elements, but {Type.Format.Name} [{string.Join(", ", Shape)}] takes {ByteLength}");
        if (!IsPlain && ByteLength > Array.MaxLength) throw Damaged($"{ByteLength} bytes of elements that are not contiguous, above the limit of {Array.MaxLength}");
    }

    private void FindExternal()
    {
        Location = external.GetValueOrDefault("location") ?? throw Damaged("external data without a location");
        // The file is untrusted: it may name only files in its folder and below. The colon separates drives and streams on Windows.
        if (Location.IndexOfAny(['\\', ':', '\0']) >= 0 || Location.Split('/').Any(part => part is "" or "." or ".."))
            throw Damaged($"external data at '{Location}', but only a file in the model's folder is allowed,");
        Offset = Number("offset", 0);
        long length = Number("length", ByteLength);
        if (!IsReadable) ByteLength = length;
        if (length != ByteLength) throw Damaged($"{length} bytes of external data, but {Type.Format.Name} [{string.Join(", ", Shape)}] takes {ByteLength}");
    }

    private long Number(string key, long absent) => !external.TryGetValue(key, out string? text) ? absent
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number
        : throw Damaged($"the {key} '{text}' of external data, which is not a number of bytes,");

    private static bool IsFixed(int field) => field is OnnxType.FloatData or OnnxType.DoubleData;

    private Exception Damaged(string problem) => bytes.Damaged($"{problem} in tensor '{Name}'");
}
