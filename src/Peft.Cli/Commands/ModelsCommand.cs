using Peft.Models;

namespace Peft.Cli;

/// <summary><c>peft models</c></summary>
internal static class ModelsCommand
{
    public static Command Create(PeftTool tool)
        => tool.Command("models", "Lists the architectures that can be loaded, and the models in the hub's cache.", [], context =>
        {
            var architectures = new ModelRegistry().ModelTypes;
            using var hub = new HubClient();
            var cached = Cached(hub.CacheFolder).ToList();
            context.Result(new { Architectures = architectures, Cache = hub.CacheFolder, Cached = cached.Select(each => new { each.Id, each.Bytes }) }, console =>
            {
                console.Fields(("architectures", string.Join(", ", architectures)), ("cache", hub.CacheFolder));
                if (cached.Count > 0) console.Rows(["cached", ">size"], cached.Select(each => (string?[])[each.Id, Show.Bytes(each.Bytes)]));
            });
        });

    // models--owner--name, as Python's client lays it out.
    private static IEnumerable<(string Id, long Bytes)> Cached(string cache)
        => !Directory.Exists(cache) ? [] : Directory.EnumerateDirectories(cache, "models--*").Order(StringComparer.Ordinal)
            .Select(folder => (Path.GetFileName(folder)["models--".Length..].Replace("--", "/", StringComparison.Ordinal),
                Directory.Exists(Path.Combine(folder, "blobs")) ? new DirectoryInfo(Path.Combine(folder, "blobs")).EnumerateFiles().Sum(file => file.Length) : 0));
}
