using System.Buffers.Binary;

namespace Peft.Models;

/// <summary>Walks the fields of a protocol buffer (https://protobuf.dev/programming-guides/encoding).</summary>
internal ref struct ProtoReader(ReadOnlySpan<byte> message, string source)
{
    ReadOnlySpan<byte> rest = message;
    int wire;

    /// <summary>Number of the field whose value is read or skipped next.</summary>
    public int Field { get; private set; }

    /// <summary>Goes on to the next field; false at the end.</summary>
    public bool Next()
    {
        if (rest.IsEmpty) return false;
        var tag = Varint();
        (Field, wire) = ((int)Math.Min(tag >> 3, int.MaxValue), (int)(tag & 7));
        return true;
    }

    public long Int64()
    {
        Expect(0);
        return (long)Varint();
    }

    public bool Bool() => Int64() != 0;

    public float Single()
    {
        Expect(5);
        return BinaryPrimitives.ReadSingleLittleEndian(Take(sizeof(float)));
    }

    public ReadOnlySpan<byte> Bytes()
    {
        Expect(2);
        return Take(Varint());
    }

    public string Text()
    {
        var bytes = Bytes();
        return System.Text.Unicode.Utf8.IsValid(bytes) ? System.Text.Encoding.UTF8.GetString(bytes) : throw Damaged("a text that is not UTF-8");
    }

    public void Skip()
    {
        switch (wire)
        {
            case 0: Varint(); break;
            case 1: Take(sizeof(long)); break;
            case 2: Take(Varint()); break;
            case 5: Take(sizeof(int)); break;
            default: throw Damaged($"a field of kind {wire}");
        }
    }

    readonly void Expect(int kind)
    {
        if (wire != kind) throw Damaged($"field {Field} of kind {wire} instead of {kind}");
    }

    ReadOnlySpan<byte> Take(ulong count)
    {
        if (count > (ulong)rest.Length) throw Damaged("a field that runs past its end");
        var taken = rest[..(int)count];
        rest = rest[(int)count..];
        return taken;
    }

    ulong Varint()
    {
        ulong value = 0;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var next = Take(1)[0];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80) return value;
        }
        throw Damaged("a number of more than ten bytes");
    }

    readonly TokenizerException Damaged(string problem) => new($"{source} is not a SentencePiece model, or is damaged: it has {problem}.");
}
