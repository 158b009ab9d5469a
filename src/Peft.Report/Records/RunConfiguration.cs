using System.Collections;
using System.Globalization;
using System.Reflection;

namespace Peft.Report;

/// <summary>The settings of a run, as names and texts.</summary>
internal static class RunConfiguration
{
    private const int MostListed = 6;

    public static IEnumerable<KeyValuePair<string, string>> Of(Trainer trainer)
    {
        yield return new("model", Name(trainer.Model.Module));
        yield return new("data", $"{trainer.Data.Name}, {trainer.Data.Count:N0} rows");
        if (trainer.Evaluation is { } evaluation) yield return new("evaluation data", $"{evaluation.Name}, {evaluation.Count:N0} rows");
        if (trainer.Objective is { } objective) yield return new("objective", objective.GetType().Name);
        if (trainer.Model is PeftModel model)
        {
            var count = model.CountParameters();
            yield return new("trainable parameters", count.ToString());
            foreach (var adapter in model.Active.Select(name => model.Adapters[name]))
                foreach (var setting in Settings(adapter.Options)) yield return new($"{(adapter.Name == PeftModel.DefaultName ? "adapter" : adapter.Name)}.{setting.Key}", setting.Value);
        }
        else yield return new("trainable parameters", trainer.Model.Trainables.Sum(tensor => tensor.Value.numel()).ToString("N0", CultureInfo.InvariantCulture));
        yield return new("learning rate", Text(trainer.Options.LearningRate ?? trainer.Model.RecommendedLearningRate)!);
        foreach (var setting in Settings(trainer.Options)) yield return new("training." + setting.Key, setting.Value);
    }

    private static string Name(TorchSharp.torch.nn.Module module)
        => module is IPretrainedModel { NameOrPath: { Length: > 0 } path } ? $"{module.GetType().Name} {path}" : module.GetType().Name;

    // All that have a value, so that runs can be compared.
    private static IEnumerable<KeyValuePair<string, string>> Settings(object options)
        => options.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.GetIndexParameters().Length == 0 && property.SetMethod is { IsPublic: true })
            .Select(property => KeyValuePair.Create(property.Name, Text(property.GetValue(options))!)).Where(setting => !string.IsNullOrEmpty(setting.Value));

    private static string? Text(object? value) => value switch
    {
        null => null,
        string text => text,
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        IDictionary map => map.Count == 0 ? null : string.Join(", ", map.Keys.Cast<object>().Select(key => $"{key}: {Text(map[key])}")),
        IEnumerable items => Listed([.. items.Cast<object?>().Select(Text)]),
        _ => value.ToString(),
    };

    // Resolved target modules may be hundreds.
    private static string Listed(IReadOnlyList<string?> items)
        => string.Join(", ", items.Take(MostListed)) + (items.Count > MostListed ? $", … ({items.Count})" : "");
}
