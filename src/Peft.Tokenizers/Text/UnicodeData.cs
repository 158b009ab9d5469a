using System.Globalization;
using System.Text;

namespace Peft.Tokenizers;

/// <summary>
/// The character data of unicode.txt. The runtime's data depends on its version and the operating system, and does not
/// normalize in invariant globalization mode. A tokenizer must produce the same tokens everywhere.
/// </summary>
internal sealed class UnicodeData
{
    private static readonly Lazy<UnicodeData> Loaded = new(() => new());

    private readonly Dictionary<string, List<(int First, int Last)>> classes = [];
    private readonly Dictionary<int, int> order = [];
    private readonly Dictionary<int, Rune[]> canonical = [];
    private readonly Dictionary<int, Rune[]> compatible = [];
    private readonly Dictionary<(int, int), Rune> composites = [];

    private UnicodeData()
    {
        using var stream = typeof(UnicodeData).Assembly.GetManifestResourceStream("Peft.Tokenizers.Text.unicode.txt")!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            var fields = line.Split(' ');
            switch (fields[0])
            {
                case "class":
                    classes[fields[1]] = [.. fields[2..].Select(Range)];
                    break;
                case "order":
                    foreach (var (first, last) in fields[2..].Select(Range))
                    {
                        for (var value = first; value <= last; value++)
                            order[value] = int.Parse(fields[1], CultureInfo.InvariantCulture);
                    }
                    break;
                case "canonical":
                    canonical[Hex(fields[1])] = [.. fields[2..].Select(field => new Rune(Hex(field)))];
                    break;
                case "compatible":
                    compatible[Hex(fields[1])] = [.. fields[2..].Select(field => new Rune(Hex(field)))];
                    break;
                case "compose":
                    composites[(Hex(fields[1]), Hex(fields[2]))] = new(Hex(fields[3]));
                    break;
            }
        }
    }

    public static UnicodeData Instance => Loaded.Value;

    /// <summary>A character class by its name in the file.</summary>
    public Func<Rune, bool> Class(string name)
    {
        var ranges = classes[name];
        return rune =>
        {
            var index = ranges.BinarySearch((rune.Value, int.MaxValue));
            index = index >= 0 ? index : ~index - 1;
            return index >= 0 && ranges[index].Last >= rune.Value;
        };
    }

    /// <summary>The canonical combining class.</summary>
    public int Order(Rune rune) => order.GetValueOrDefault(rune.Value);

    /// <summary>The full decomposition of a character; null if it has none.</summary>
    public Rune[]? Decomposition(Rune rune, bool compatibility)
        => compatibility && compatible.TryGetValue(rune.Value, out var result) ? result : canonical.GetValueOrDefault(rune.Value);

    /// <summary>Composes two characters if possible.</summary>
    public bool TryCompose(Rune first, Rune second, out Rune result) => composites.TryGetValue((first.Value, second.Value), out result);

    private static (int, int) Range(string field)
    {
        var dash = field.IndexOf('-', StringComparison.Ordinal);
        return dash < 0 ? (Hex(field), Hex(field)) : (Hex(field[..dash]), Hex(field[(dash + 1)..]));
    }

    private static int Hex(string field) => int.Parse(field, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
