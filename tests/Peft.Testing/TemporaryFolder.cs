namespace Peft.Testing;

/// <summary>A new empty folder, removed with all it holds. It stands for its path.</summary>
public sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("peft-");

    /// <summary>The path of the folder.</summary>
    public string Path => folder.FullName;

    /// <summary>The names of the files directly in it, in ordinal order.</summary>
    public IEnumerable<string> FileNames => folder.EnumerateFiles().Select(file => file.Name).Order(StringComparer.Ordinal);

    /// <summary>The path of a name in it, which need not exist.</summary>
    public string this[string name] => System.IO.Path.Combine(folder.FullName, name);

    /// <summary>Its path.</summary>
    public static implicit operator string(TemporaryFolder folder) => folder.Path;

    /// <summary>Writes a file, with the folders of its name.</summary>
    /// <returns>Its path.</returns>
    public string Write(string name, ReadOnlySpan<byte> content)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(this[name])!);
        File.WriteAllBytes(this[name], content);
        return this[name];
    }

    /// <summary>Writes a text file in UTF-8, with the folders of its name.</summary>
    /// <returns>Its path.</returns>
    public string Write(string name, string text) => Write(name, System.Text.Encoding.UTF8.GetBytes(text));

    /// <inheritdoc/>
    public override string ToString() => Path;

    /// <inheritdoc/>
    public void Dispose() => folder.Delete(recursive: true);
}
