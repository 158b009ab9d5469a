using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Compares the base model that an adapter was trained on with the one that it is put on. Only the last parts of the two names are compared,
/// since the same model may lie in another folder; and a difference is a warning, since a model may be renamed.
/// </summary>
internal static partial class BaseModelName
{
    private const string CachedModel = "models--";   // a folder of the hub's cache: models--owner--name/snapshots/commit

    /// <summary>A warning, but none if the names agree or one is not known.</summary>
    public static IEnumerable<string> Warnings(string adapter, AdapterOptions options, nn.Module model)
    {
        if (options.BaseModelNameOrPath is not { } trained || (model as IPretrainedModel)?.NameOrPath is not { } used) yield break;
        if (string.IsNullOrWhiteSpace(trained) || string.IsNullOrWhiteSpace(used) || string.Equals(LastPart(trained), LastPart(used), StringComparison.OrdinalIgnoreCase)) yield break;
        yield return $"Adapter '{adapter}' was trained on the base model '{trained}', but this model is '{used}'. If that is not the same model under another name, the adapter is of no use here: "
            + $"load '{trained}'. If it is the same, write '{used}' into base_model_name_or_path of the adapter's {AdapterConfig.FileName}.";
    }

    /// <summary>Logs what there is to warn of.</summary>
    public static void Log(ILogger? logger, Adapter adapter)
    {
        if (logger is null) return;
        foreach (var warning in adapter.Warnings) Log(logger, warning);
    }

    [LoggerMessage(20, LogLevel.Warning, "{Message}")]
    private static partial void Log(ILogger logger, string message);

    private static string LastPart(string nameOrPath)
    {
        var parts = nameOrPath.Trim().Split(['/', '\\'], StringSplitOptions.RemoveEmptyEntries);
        if (parts.LastOrDefault(part => part.StartsWith(CachedModel, StringComparison.Ordinal)) is { } cached) return cached[(cached.LastIndexOf("--", StringComparison.Ordinal) + 2)..];
        // "." and ".." name no model: their folders do.
        return parts is [.., not ("." or "..")] ? parts[^1] : Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(nameOrPath.Trim())));
    }
}
