using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Compares the base model and the task of an adapter with those of the model to which it is added. Only the last parts of the names are compared,
/// since the same model may be in another folder. A difference is only a warning, since a model may have been renamed.
/// </summary>
internal static partial class BaseModelName
{
    private const string CachedModel = "models--";   // folder of the Hugging Face Hub cache: models--owner--name/snapshots/commit

    /// <summary>Returns a warning for each difference. Unknown names and tasks are not compared.</summary>
    public static IEnumerable<string> Warnings(string adapter, AdapterOptions options, nn.Module model)
    {
        if (options.TaskType is { } task && model is IPretrainedModel { TaskType: { } purpose } && task != purpose)
            yield return $"Adapter '{adapter}' was trained for {task}, but this {model.GetType().Name} is for {purpose}: the adapter changes the layers that both have, but it was not trained with the head of this model. "
                + $"Load a model for {task}, or train the adapter here (and write {purpose} into task_type of its {AdapterConfig.FileName}).";
        if (options.BaseModelNameOrPath is not { } trained || (model as IPretrainedModel)?.NameOrPath is not { } used) yield break;
        if (string.IsNullOrWhiteSpace(trained) || string.IsNullOrWhiteSpace(used) || string.Equals(LastPart(trained), LastPart(used), StringComparison.OrdinalIgnoreCase)) yield break;
        yield return $"Adapter '{adapter}' was trained on the base model '{trained}', but this model is '{used}'. If this is not the same model under another name, the adapter will not work: "
            + $"load '{trained}'. If it is the same, write '{used}' into base_model_name_or_path of the adapter's {AdapterConfig.FileName}.";
    }

    /// <summary>Logs the warnings of an adapter.</summary>
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
        // "." and ".." are not names of models: use the name of the folder.
        return parts is [.., not ("." or "..")] ? parts[^1] : Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(nameOrPath.Trim())));
    }
}
