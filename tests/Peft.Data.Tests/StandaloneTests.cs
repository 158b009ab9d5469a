namespace Peft.Data.Tests;

/// <summary>Programs without tensors use this package too.</summary>
public sealed class StandaloneTests
{
    [Fact]
    public void Neither_the_package_nor_what_it_references_needs_TorchSharp_or_the_core()
    {
        typeof(Dataset).Assembly.GetReferencedAssemblies().Select(reference => reference.Name!).Where(name => name.StartsWith("Peft.", StringComparison.Ordinal)).Order().ShouldBe(["Peft.Hub", "Peft.Primitives"]);
        Directory.GetFiles(AppContext.BaseDirectory, "*.dll").Select(Path.GetFileName).ShouldNotContain(name => name!.StartsWith("TorchSharp", StringComparison.Ordinal) || name.StartsWith("Peft.Core", StringComparison.Ordinal));
    }
}
