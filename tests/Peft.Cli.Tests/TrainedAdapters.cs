namespace Peft.Cli.Tests;

/// <summary>Two adapters that the tool has trained.</summary>
public sealed class TrainedAdapters : IAsyncLifetime, IDisposable
{
    private readonly TemporaryFolder folder = new();

    public string First => folder["first"];

    public string Second => folder["second"];

    public async Task InitializeAsync()
    {
        (await Tool.RunAsync(Tool.Train(First))).Code.ShouldBe(0);
        (await Tool.RunAsync(Tool.Train(Second, "--alpha", "16"))).Code.ShouldBe(0);
    }

    public Task DisposeAsync() => Task.CompletedTask;

    public void Dispose() => folder.Dispose();
}
