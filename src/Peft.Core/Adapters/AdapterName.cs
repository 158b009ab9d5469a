using System.Text;

namespace Peft;

/// <summary>The one rule for the names of adapters: each is also the name of a folder, on any system, and of nothing outside of the one it lies in.</summary>
public static class AdapterName
{
    const int MostBytes = 200;   // a name in a folder has 255, of which temporary names need some
    const string NotAllowed = "/\\:*?\"<>|";

    static readonly string[] Devices = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", .. Enumerable.Range(0, 10).SelectMany(number => new[] { $"COM{number}", $"LPT{number}" })];

    /// <summary>
    /// Whether an adapter may have a name: not empty, at most 200 bytes of UTF-8, without separators (<c>/ \ :</c>), <c>* ? " &lt; &gt; |</c> and control characters, not starting with a
    /// dot or space nor ending with one, no device of Windows (<c>CON</c>), and not <c>__base__</c> (<see cref="PeftModel.Base"/>).
    /// </summary>
    /// <param name="name">The name, such as one that a request holds.</param>
    public static bool IsValid(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Fault(name) is null;
    }

    /// <summary>The name, if an adapter may have it.</summary>
    /// <exception cref="AdapterNameException">It may not.</exception>
    internal static string Require(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Fault(name) is { } fault ? throw new AdapterNameException(name, fault) : name;
    }

    static string? Fault(string name)
        => string.IsNullOrWhiteSpace(name) ? "is empty"
            : name == PeftModel.Base ? "stands for the model without adapters"
            : name[0] == '.' ? "starts with a dot"
            : name[^1] is '.' or ' ' || name[0] == ' ' ? "starts or ends with a space, or ends with a dot"
            : name.IndexOfAny([.. NotAllowed]) is >= 0 and var at ? $"holds '{name[at]}'"
            : name.Any(char.IsControl) ? "holds a control character"
            : Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(name)) != name ? "holds half a surrogate pair"
            : Encoding.UTF8.GetByteCount(name) > MostBytes ? $"has more than {MostBytes} bytes"
            : Devices.Contains(name.Split('.')[0].TrimEnd(), StringComparer.OrdinalIgnoreCase) ? "is a device of Windows"
            : null;
}

/// <summary>An adapter cannot have a name: it would be no name of a folder, where adapters are saved by their names.</summary>
public sealed class AdapterNameException : PeftException
{
    internal AdapterNameException(string name, string fault) : base(
        $"'{Shown(name)}' cannot be the name of an adapter: it {fault}. An adapter is saved in a folder of its name: take letters, digits, '-', '_' and '.', as in 'my-adapter'.") => Name = name;

    /// <summary>The name.</summary>
    public string Name { get; }

    // A name from a stranger's file must not bring control characters, or pages, into a log.
    static string Shown(string name) => string.Concat((name.Length > 100 ? name[..100] + "…" : name).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
}
