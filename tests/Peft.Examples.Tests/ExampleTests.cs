namespace Peft.Examples.Tests;

/// <summary>The examples at a size that suits a test, with a folder for what they make.</summary>
public abstract class ExampleTests : IDisposable
{
    private protected static string Model { get; } = Path.Combine(AppContext.BaseDirectory, "models", "stories260K");

    private protected static string Data { get; } = Path.Combine(AppContext.BaseDirectory, "data");

    private protected string Work { get; } = Directory.CreateTempSubdirectory("peft-examples-").FullName;

    public void Dispose()
    {
        Directory.Delete(Work, recursive: true);
        GC.SuppressFinalize(this);
    }
}
