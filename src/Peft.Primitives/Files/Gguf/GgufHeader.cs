using System.Buffers.Binary;
using System.Text;
using Peft.Checkpoints;

namespace Peft.Gguf;

/// <summary>
/// The metadata and tensor descriptions of a GGUF file, versions 2 and 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). Integers are read as <see cref="long"/>, floating-point values as
/// <see cref="double"/>, and arrays of numbers, strings or Booleans as arrays.
/// </summary>
internal sealed class GgufHeader
{
    private const int MaxDimensions = 4, MaxNameBytes = 1 << 16;

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    private readonly FileStream stream;
    private readonly Dictionary<string, object> metadata = new(StringComparer.Ordinal);
    private readonly Dictionary<string, GgufTensor> tensors = new(StringComparer.Ordinal);

    private GgufHeader(string path, FileStream stream) => (Path, this.stream) = (path, stream);

    /// <summary>Path of the file.</summary>
    public string Path { get; }

    /// <summary>The key-value pairs.</summary>
    public IReadOnlyDictionary<string, object> Metadata => metadata;

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, GgufTensor> Tensors => tensors;

    /// <summary>True for a path that names a GGUF file.</summary>
    public static bool IsFile(string path) => System.IO.Path.GetExtension(path).Equals(".gguf", StringComparison.OrdinalIgnoreCase) && File.Exists(path);

    /// <summary>Reads a file up to its data.</summary>
    /// <exception cref="CheckpointException">The file is missing, of another format or version, or damaged.</exception>
    public static GgufHeader Read(string path)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1 << 16);
            var header = new GgufHeader(path, stream);
            header.Read();
            return header;
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException(path, "there is no such file.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new CheckpointException(path, $"cannot be read ({error.Message})", error);
        }
    }

    /// <summary>Reads the string under a key; null if there is none.</summary>
    public string? Text(string key) => Find<string>(key);

    /// <summary>Reads the integer under a key; null if there is none.</summary>
    public long? Whole(string key) => metadata.ContainsKey(key) ? Find<object>(key) is long value ? value : throw Damaged($"'{key}' is not an integer") : null;

    /// <summary>Reads the number under a key; null if there is none.</summary>
    public double? Number(string key) => metadata.GetValueOrDefault(key) switch
    {
        null => null,
        double value when double.IsFinite(value) => value,
        long value => value,
        _ => throw Damaged($"'{key}' is not a finite number"),
    };

    /// <summary>Reads the Boolean under a key; null if there is none.</summary>
    public bool? Flag(string key) => metadata.ContainsKey(key) ? Find<object>(key) is bool value ? value : throw Damaged($"'{key}' is neither true nor false") : null;

    /// <summary>Reads the strings under a key; null if there are none.</summary>
    public string[]? Texts(string key) => Find<string[]>(key);

    /// <summary>Reads the integers under a key; null if there are none.</summary>
    public long[]? Wholes(string key) => Find<long[]>(key);

    /// <summary>Reads the numbers under a key; null if there are none.</summary>
    public double[]? Numbers(string key) => Find<double[]>(key);

    /// <summary>Creates the exception for a damaged file.</summary>
    public CheckpointException Damaged(string problem) => new(Path, $"not a valid GGUF file: {problem}.");

    private T? Find<T>(string key) where T : class => metadata.GetValueOrDefault(key) is not { } value ? null : value as T ?? throw Damaged($"'{key}' has an unexpected type");

    private void Read()
    {
        Span<byte> magic = stackalloc byte[4];
        if (stream.Length < magic.Length) throw Damaged($"it has {stream.Length} bytes");
        stream.ReadExactly(magic);
        if (!magic.SequenceEqual("GGUF"u8)) throw Damaged("it does not begin with 'GGUF'");
        var version = (uint)Scalar(4);
        if (version is not (2 or 3)) throw Damaged($"its version is {version}; versions 2 and 3 are supported, in little-endian order");
        var (tensorCount, pairCount) = (Count(24), Count(13));
        for (var i = 0L; i < pairCount; i++)
        {
            var key = Text(MaxNameBytes);
            if (!metadata.TryAdd(key, Value((uint)Scalar(4)))) throw Damaged($"'{key}' is listed twice");
        }
        var found = new List<GgufTensor>();
        for (var i = 0L; i < tensorCount; i++) found.Add(Tensor());
        var alignment = Whole("general.alignment") ?? 32;
        if (alignment is < 1 or > 1 << 20 || !long.IsPow2(alignment)) throw Damaged($"its alignment is {alignment}, which is not a power of two up to {1 << 20}");
        var start = (stream.Position + alignment - 1) / alignment * alignment;
        foreach (var tensor in found)
        {
            if (tensor.Offset % alignment != 0 || tensor.Offset > stream.Length - start) throw Damaged($"tensor '{tensor.Name}' begins at byte {tensor.Offset} of the data, which is not aligned or past its end");
            if (!tensors.TryAdd(tensor.Name, tensor with { Offset = start + tensor.Offset })) throw Damaged($"tensor '{tensor.Name}' is listed twice");
        }
    }

    private GgufTensor Tensor()
    {
        var name = Text(MaxNameBytes);
        var dimensions = (uint)Scalar(4);
        if (dimensions is < 1 or > MaxDimensions) throw Damaged($"tensor '{name}' has {dimensions} dimensions");
        var shape = new long[dimensions];
        var elements = Int128.One;
        for (var i = shape.Length - 1; i >= 0; i--)
        {
            shape[i] = (long)Scalar(8);
            if (shape[i] < 1 || (elements *= shape[i]) > long.MaxValue / 8) throw Damaged($"tensor '{name}' has an impossible size");
        }
        var type = (uint)Scalar(4);
        var offset = Scalar(8);
        if (offset > long.MaxValue / 2) throw Damaged($"tensor '{name}' begins past the end of the file");
        return new(name, shape, type, (long)offset);
    }

    private object Value(uint type) => type switch
    {
        0 => (long)(byte)Scalar(1),
        1 => (long)(sbyte)Scalar(1),
        2 => (long)(ushort)Scalar(2),
        3 => (long)(short)Scalar(2),
        4 => (long)(uint)Scalar(4),
        5 => (long)(int)Scalar(4),
        6 => (double)BitConverter.UInt32BitsToSingle((uint)Scalar(4)),
        7 => Scalar(1) != 0,
        8 => Text(int.MaxValue),
        9 => Items((uint)Scalar(4)),
        10 => Scalar(8) is <= long.MaxValue and var value ? (long)value : throw Damaged("an integer exceeds 63 bits"),
        11 => (long)Scalar(8),
        12 => BitConverter.UInt64BitsToDouble(Scalar(8)),
        _ => throw Damaged($"a value has the unknown type {type}"),
    };

    private object Items(uint type)
    {
        if (type == 9) throw Damaged("an array contains arrays");
        var count = checked((int)Math.Min(Count(type switch { 8 => 8, 10 or 11 or 12 => 8, 4 or 5 or 6 => 4, 2 or 3 => 2, _ => 1 }), Array.MaxLength));
        return type switch
        {
            8 => Fill<string>(count, type),
            6 or 12 => Fill<double>(count, type),
            7 => Fill<bool>(count, type),
            _ => Fill<long>(count, type),
        };
    }

    private T[] Fill<T>(int count, uint type)
    {
        var items = new List<T>(Math.Min(count, 1 << 16));
        for (var i = 0; i < count; i++) items.Add((T)Value(type));
        return [.. items];
    }

    // Reads a count of items that take at least the given number of bytes each.
    private long Count(int bytes)
    {
        var count = Scalar(8);
        return count <= (ulong)((stream.Length - stream.Position) / bytes) ? (long)count : throw Damaged($"it lists {count} items, more than the {stream.Length - stream.Position} bytes that follow can contain");
    }

    private string Text(int maxBytes)
    {
        var length = Count(1);
        if (length > maxBytes) throw Damaged($"a string has {length} bytes");
        var bytes = new byte[length];
        stream.ReadExactly(bytes);
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw Damaged("a string is not UTF-8");
        }
    }

    private ulong Scalar(int bytes)
    {
        Span<byte> buffer = stackalloc byte[8];
        buffer.Clear();
        if (stream.Length - stream.Position < bytes) throw Damaged("it is truncated");
        stream.ReadExactly(buffer[..bytes]);
        return BinaryPrimitives.ReadUInt64LittleEndian(buffer);
    }
}
