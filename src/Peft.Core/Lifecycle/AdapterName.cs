using System.Text;

namespace Peft;

/// <summary>Rules for adapter names. A name is also a folder name, so it must be valid on every system and must not lead outside the parent folder.</summary>
public static class AdapterName
{
    private const int MaxBytes = 200;   // file names may have 255; temporary names need the remaining bytes
    private const string NotAllowed = "/\\:*?\"<>|";

    private static readonly string[] Devices = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", .. Enumerable.Range(0, 10).SelectMany(number => new[] { $"COM{number}", $"LPT{number}" })];

    /// <summary>
    /// True if a name is valid for an adapter: not empty, at most 200 bytes of UTF-8, without separators (<c>/ \ :</c>), <c>* ? " &lt; &gt; |</c> and control
    /// characters, neither starting nor ending with a dot or space, not a Windows device name (<c>CON</c>), and not <c>__base__</c>
    /// (<see cref="PeftModel.Base"/>).
    /// </summary>
    /// <param name="name">The name, for example from a request.</param>
    public static bool IsValid(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Fault(name) is null;
    }

    /// <summary>Returns the name if it is valid.</summary>
    /// <exception cref="AdapterNameException">The name is not valid.</exception>
    internal static string Require(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Fault(name) is { } fault ? throw new AdapterNameException(name, fault) : name;
    }

    private static string? Fault(string name)
        => string.IsNullOrWhiteSpace(name) ? "is empty"
            : name == PeftModel.Base ? "is reserved for the model without adapters"
            : name[0] == '.' ? "starts with a dot"
            : name[^1] is '.' or ' ' || name[0] == ' ' ? "starts or ends with a space, or ends with a dot"
            : name.IndexOfAny([.. NotAllowed]) is >= 0 and var at ? $"contains '{name[at]}'"
            : name.Any(char.IsControl) ? "contains a control character"
            : Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(name)) != name ? "contains an unpaired surrogate"
            : Encoding.UTF8.GetByteCount(name) > MaxBytes ? $"has more than {MaxBytes} bytes"
            : Devices.Contains(name.Split('.')[0].TrimEnd(), StringComparer.OrdinalIgnoreCase) ? "is a Windows device name"
            : null;
}
