using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace Peft.Checkpoints;

/// <summary>
/// Iterates over the fields of a protocol buffer (https://protobuf.dev/programming-guides/encoding). A field's bytes are read only when its value is requested.
/// </summary>
internal struct ProtoReader
{
    private readonly ByteWindow bytes;
    private readonly long start, end;
    private long next;

    /// <summary>Creates a reader of a message that spans the whole content.</summary>
    /// <param name="bytes">The content. Only one thread at a time may read from it.</param>
    public ProtoReader(ByteWindow bytes) : this(bytes, 0, bytes.Length) { }

    private ProtoReader(ByteWindow bytes, long start, long end) => (this.bytes, this.start, this.end, next) = (bytes, start, end, start);

    /// <summary>Number of the field.</summary>
    public int Field { get; private set; }

    /// <summary>Wire type of the value: 0 a varint, 1 eight bytes, 2 a length and as many bytes, 5 four bytes.</summary>
    public int Wire { get; private set; }

    /// <summary>Position of the value.</summary>
    public long Start { get; private set; }

    /// <summary>Length of the value in bytes.</summary>
    public long Length { get; private set; }

    /// <summary>Advances to the next field; false at the end.</summary>
    public bool Next()
    {
        if (next >= end) return false;
        ulong tag = Varint();
        (Field, Wire) = ((int)Math.Min(tag >> 3, int.MaxValue), (int)(tag & 7));
        ulong length = Wire switch
        {
            0 => 0,
            1 => sizeof(long),
            2 => Varint(),
            5 => sizeof(int),
            _ => throw bytes.Damaged($"a field of wire type {Wire}"),
        };
        Start = next;
        if (Wire == 0)
        {
            Varint();
            length = (ulong)(next - Start);
        }
        if (length > (ulong)(end - Start)) throw bytes.Damaged("a field that runs past its end");
        Length = (long)length;
        next = Start + Length;
        return true;
    }

    public readonly long Int64()
    {
        Expect(0);
        return (long)new ProtoReader(bytes, Start, Start + Length).Varint();
    }

    public readonly bool Bool() => Int64() != 0;

    public readonly float Single()
    {
        Expect(5);
        return BinaryPrimitives.ReadSingleLittleEndian(bytes.Take(Start, sizeof(float)));
    }

    /// <summary>Reads the bytes of the value, valid until the next read.</summary>
    /// <param name="maxLength">Maximum length; a longer value is an error.</param>
    public readonly ReadOnlySpan<byte> Bytes(int maxLength = int.MaxValue)
    {
        Expect(2);
        return Length <= maxLength ? bytes.Take(Start, (int)Length) : throw bytes.Damaged($"a string of {Length} bytes, above the limit of {maxLength}");
    }

    /// <inheritdoc cref="Bytes"/>
    public readonly string Text(int maxLength = int.MaxValue)
    {
        var text = Bytes(maxLength);
        return Utf8.IsValid(text) ? Encoding.UTF8.GetString(text) : throw bytes.Damaged("a string that is not UTF-8");
    }

    /// <summary>Reads the value as a nested message.</summary>
    public readonly ProtoReader Message()
    {
        Expect(2);
        return new(bytes, Start, Start + Length);
    }

    /// <summary>Reads the value as a list of integers with <see cref="NextNumber"/>: a packed list, or a single element of an unpacked one.</summary>
    public readonly ProtoReader Packed()
    {
        if (Wire is not (0 or 2)) Expect(2);
        return new(bytes, Start, Start + Length);
    }

    /// <summary>Advances to the next integer of a list; false at its end.</summary>
    public bool NextNumber(out ulong number)
    {
        number = 0;
        if (next >= end) return false;
        number = Varint();
        return true;
    }

    /// <summary>Creates a reader of the same message with another buffer.</summary>
    public readonly ProtoReader From(ByteWindow other) => new(other, start, end);

    private readonly void Expect(int wire)
    {
        if (Wire != wire) throw bytes.Damaged($"field {Field} of wire type {Wire} instead of {wire}");
    }

    private ulong Varint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            if (next >= end) throw bytes.Damaged("a field that runs past its end");
            byte part = bytes.Take(next++, 1)[0];
            value |= (ulong)(part & 0x7f) << shift;
            if (part < 0x80) return value;
        }
        throw bytes.Damaged("an integer of more than ten bytes");
    }
}
