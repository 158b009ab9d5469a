namespace Peft.Docs.Tests;

/// <summary>Runs a test in a folder of its own that holds what the pages speak of: the bundled model and a text.</summary>
public abstract class InFolder : IDisposable
{
    private readonly string before = Environment.CurrentDirectory;
    private readonly string folder = Directory.CreateTempSubdirectory("peft-docs-").FullName;

    protected InFolder()
    {
        var source = AppContext.BaseDirectory;
        var model = Directory.CreateDirectory(Path.Combine(folder, "models", "stories260K")).FullName;
        foreach (var file in Directory.EnumerateFiles(Path.Combine(source, "models", "stories260K"))) File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        File.Copy(Path.Combine(source, "Data", "train.txt"), Path.Combine(folder, "train.txt"));
        Environment.CurrentDirectory = folder;
    }

    /// <summary>Puts a data set of the tests into the folder.</summary>
    protected static void CopyData(string name)
    {
        Directory.CreateDirectory(name);
        foreach (var file in Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "Data", name))) File.Copy(file, Path.Combine(name, Path.GetFileName(file)));
    }

    public void Dispose()
    {
        Environment.CurrentDirectory = before;
        Directory.Delete(folder, recursive: true);
        GC.SuppressFinalize(this);
    }
}
