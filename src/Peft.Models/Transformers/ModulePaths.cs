using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Registers modules at dotted paths, the names of Hugging Face's nested modules.</summary>
internal static class ModulePaths
{
    /// <summary>Registers a module. Missing parents on the path are created as empty modules.</summary>
    /// <param name="parent">The module that the path starts from.</param>
    /// <param name="path">The path, such as <c>attention.output.dense</c>.</param>
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

    /// <summary>Removes a module that <see cref="Place"/> registered, and the empty parents that were created for it.</summary>
    public static void Displace(this nn.Module parent, string path)
    {
        var cut = path.IndexOf('.', StringComparison.Ordinal);
        var name = cut < 0 ? path : path[..cut];
        if (cut > 0)
        {
            var next = parent.named_children().First(child => child.name == name).module;
            next.Displace(path[(cut + 1)..]);
            if (next is not Holder || next.children().Any()) return;
        }
        ModuleInternals.Submodules(parent).Remove(name);
    }

    private sealed class Holder() : nn.Module("");
}
