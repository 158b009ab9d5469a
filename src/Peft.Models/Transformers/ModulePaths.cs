using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Registers modules below paths with dots, as Hugging Face's nested modules are named.</summary>
internal static class ModulePaths
{
    /// <summary>Registers a module; what the path passes through and is not there yet becomes an empty module.</summary>
    /// <param name="parent">Where the path starts.</param>
    /// <param name="path">Such as <c>attention.output.dense</c>.</param>
    /// <param name="module">The module.</param>
    public static void Place(this nn.Module parent, string path, nn.Module module)
    {
        var parts = path.Split('.');
        foreach (var part in parts[..^1])
        {
            var next = parent.named_children().FirstOrDefault(child => child.name == part).module;
            if (next is null) parent.register_module(part, next = new Holder());
            parent = next;
        }
        parent.register_module(parts[^1], module);
    }

    private sealed class Holder() : nn.Module("");
}
