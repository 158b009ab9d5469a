using System.Reflection;

namespace Peft.Tokenizers.Tests;

/// <summary>Programs without tensors use this package too.</summary>
public sealed class StandaloneTests
{
    [Fact]
    public void Neither_the_package_nor_what_it_references_needs_TorchSharp_or_the_core()
    {
        Assembly[] all = [typeof(Tokenizer).Assembly, typeof(HubClient).Assembly, typeof(PeftException).Assembly];
        var references = all.SelectMany(assembly => assembly.GetReferencedAssemblies()).Select(reference => reference.Name!).Where(name => !name.StartsWith("System.", StringComparison.Ordinal)).Distinct().Order();
        references.ShouldBe(["Microsoft.Extensions.AI.Abstractions", "Microsoft.Extensions.Logging.Abstractions", "Peft.Hub", "Peft.Primitives"]);
        Directory.GetFiles(AppContext.BaseDirectory, "*.dll").Select(Path.GetFileName).ShouldNotContain(name => name!.StartsWith("TorchSharp", StringComparison.Ordinal) || name.StartsWith("Peft.Core", StringComparison.Ordinal));
    }
}
