using Microsoft.Extensions.Options;
using Peft.Tokenizers;

namespace Peft.Hosting;

/// <summary>Finds all errors of the options at once; each message names the field and the remedy.</summary>
internal sealed class PeftOptionsValidator : IValidateOptions<PeftOptions>
{
    public ValidateOptionsResult Validate(string? name, PeftOptions options)
    {
        string[] errors = [.. Model(options), .. Adapters(options), .. Limits(options)];
        return errors.Length == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }

    private static IEnumerable<string> Model(PeftOptions options)
    {
        var isFolder = Directory.Exists(options.Model);
        if (string.IsNullOrWhiteSpace(options.Model))
            yield return $"{Field(nameof(options.Model))} is not set: name the folder of a model.";
        else if (!isFolder && !options.DownloadFromHub)
            yield return $"{Field(nameof(options.Model))}: there is no folder {Path.GetFullPath(options.Model)}. Name the folder of a model, or set {Field(nameof(options.DownloadFromHub))} for a model of the hub.";
        if (options.ChatTemplateFile is { } file)
        {
            if (Fault(() => ChatTemplate.Parse(File.ReadAllText(file))) is { } fault) yield return $"{Field(nameof(options.ChatTemplateFile))}: {file} is no chat template: {fault}";
        }
        else if (isFolder && Fault(() => ChatTemplate.FromFolder(options.Model)) is { } fault)
        {
            yield return $"{Field(nameof(options.ChatTemplateFile))} is not set, and the model's folder has no chat template: name a file with one. {fault}";
        }
        if (options.Device is { } device && Fault(() => TorchSharp.torch.device(device)) is { } unknown)
            yield return $"{Field(nameof(options.Device))} is '{device}': name a device such as cpu or cuda:0. {unknown}";
    }

    private static IEnumerable<string> Adapters(PeftOptions options)
    {
        foreach (var (name, folder) in options.Adapters)
        {
            if (!AdapterName.IsValid(name)) yield return $"{Field($"{nameof(options.Adapters)}:{name}")}: '{name}' cannot be the name of an adapter: choose one that could be the name of a folder.";
            if (!Directory.Exists(folder)) yield return $"{Field($"{nameof(options.Adapters)}:{name}")}: there is no folder '{folder}'. Name the folder of a saved adapter.";
        }
        if (options.DefaultAdapter is { } own && !options.Adapters.ContainsKey(own))
            yield return $"{Field(nameof(options.DefaultAdapter))} is '{own}', which {Field(nameof(options.Adapters))} does not list: name one of it, or leave it out for the base model.";
        foreach (var folder in options.AdapterFolders)
            if (!Directory.Exists(folder)) yield return $"{Field(nameof(options.AdapterFolders))}: there is no folder '{folder}'. Create it, or leave it out.";
    }

    private static IEnumerable<string> Limits(PeftOptions options)
    {
        var batching = $"{nameof(options.Batching)}:";
        (string Name, int? Value)[] limits =
        [
            (nameof(options.Threads), options.Threads), (nameof(options.MaxAdapters), options.MaxAdapters), ($"{nameof(options.Generation)}:{nameof(options.Generation.MaxNewTokens)}", options.Generation.MaxNewTokens),
            (batching + nameof(options.Batching.MaxBatchSize), options.Batching.MaxBatchSize), (batching + nameof(options.Batching.MaxTokens), options.Batching.MaxTokens), (batching + nameof(options.Batching.MaxQueueLength), options.Batching.MaxQueueLength),
        ];
        foreach (var (name, value) in limits)
            if (value < 1) yield return $"{Field(name)} is {value}: set at least 1.";
        if (options.Adapters.Count > options.MaxAdapters)
            yield return $"{Field(nameof(options.Adapters))} lists {options.Adapters.Count} adapters, but {Field(nameof(options.MaxAdapters))} is {options.MaxAdapters}: raise it.";
    }

    private static string Field(string name) => $"{PeftOptions.Section}:{name}";

    private static string? Fault(Func<object> read)
    {
        try
        {
            _ = read();
            return null;
        }
        catch (Exception error) when (error is ChatTemplateException or IOException or UnauthorizedAccessException or ArgumentException or FormatException)
        {
            return error.Message;
        }
    }
}
