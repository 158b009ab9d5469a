namespace Peft.Core.Tests.Checkpoints;

/// <summary>A new empty folder, removed with all it holds.</summary>
public sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("peft-");

    public string Path => folder.FullName;

    public IEnumerable<string> FileNames => folder.EnumerateFiles().Select(file => file.Name).Order(StringComparer.Ordinal);

    public string this[string name] => System.IO.Path.Combine(folder.FullName, name);

    public string Write(string name, ReadOnlySpan<byte> content)
    {
        File.WriteAllBytes(this[name], content);
        return this[name];
    }

    public void Dispose() => folder.Delete(recursive: true);
}
