namespace Peft;

/// <summary>The name of an adapter is invalid: adapters are saved in folders with their names, and no folder can have this name.</summary>
public sealed class AdapterNameException : PeftException
{
    internal AdapterNameException(string name, string fault) : base(
        $"'{Shown(name)}' cannot be the name of an adapter: it {fault}. An adapter is saved in a folder with its name: use letters, digits, '-', '_' and '.', as in 'my-adapter'.") => Name = name;

    /// <summary>The invalid name.</summary>
    public string Name { get; }

    // A name from an untrusted file must not write control characters or long text to a log.
    private static string Shown(string name) => string.Concat((name.Length > 100 ? name[..100] + "…" : name).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
}
