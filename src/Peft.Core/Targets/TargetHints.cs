using System.Text.RegularExpressions;

namespace Peft;

/// <summary>Error messages for names that match nothing: the reason, the nearest names, and the modules of the model.</summary>
internal static class TargetHints
{
    /// <summary>Creates the error for names, or for a single regular expression, that match nothing.</summary>
    public static TargetNotFoundException NotFound(ModelTree model, string field, IReadOnlyCollection<string> names, bool isPattern = false)
    {
        var reasons = string.Concat(names.SelectMany(name => Reasons(name, model, isPattern)).Distinct().Take(4).Select(reason => $"{reason} "));
        var nearest = names.Where(name => !string.IsNullOrWhiteSpace(name) && !IsName(name, model)).SelectMany(name => Nearest(name, model)).Distinct().Take(4).ToList();
        return new TargetNotFoundException(
            $"No module of {model.Model.GetType().Name} matches {field} {(isPattern ? $"'{names.Single()}'" : $"[{string.Join(", ", names.Select(name => string.IsNullOrWhiteSpace(name) ? $"'{name}'" : name))}]")}. {reasons}" +
            $"{(nearest.Count > 0 ? $"Nearest: {string.Join(", ", nearest)}. " : "")}The modules that can be adapted are:{Environment.NewLine}{Outline(model)}");
    }

    private static bool IsName(string name, ModelTree model) => model.Targets.Any(target => ModuleSelector.Means(name, target.Path));

    private static IEnumerable<string> Reasons(string name, ModelTree model, bool isPattern)
    {
        if (string.IsNullOrWhiteSpace(name))
        {
            yield return "A name is empty, which means the model itself. It cannot be adapted: pass names of its modules.";
            yield break;
        }
        ModuleSelector? pattern = isPattern ? (ModuleSelector)name : null;
        if (isPattern && model.Targets.Count(target => ModuleSelector.Means(name, target.Path)) is > 0 and var count)
            yield return $"A single string is a regular expression for the full path of a module. For the {count} module{(count == 1 ? "" : "s")} of that name, pass a list: [\"{name}\"].";
        if (model.OtherPaths.FirstOrDefault(pair => ModuleSelector.Means(name, pair.Key)) is { Value: { } shared, Key: var other })
            yield return $"{other} is another path of the module {shared.Path}: use that path.";
        if (model.Targets.Select(target => Last(target.Path)).FirstOrDefault(each => each != Last(name) && string.Equals(each, Last(name), StringComparison.OrdinalIgnoreCase)) is { } alike)
            yield return $"Names are case-sensitive: '{alike}' is a module, '{Last(name)}' is not.";
        if (model.Model.named_modules().FirstOrDefault(pair => (ModuleSelector.Means(name, pair.name) || pattern?.Matches(pair.name) == true) && model.Targets.All(target => target.Path != pair.name)) is { module: { } found, name: var path }
            && !model.OtherPaths.ContainsKey(path))
        {
            string[] inside = [.. model.Targets.Where(target => target.Path.StartsWith(path + ".", StringComparison.Ordinal)).Select(target => Last(target.Path)).Distinct().Take(6)];
            yield return $"The module {path} ({found.GetType().Name}) cannot be adapted itself{(inside.Length > 0 ? $": pass names of its modules ({string.Join(", ", inside)})" : "")}.";
        }
    }

    private static IEnumerable<string> Nearest(string name, ModelTree model)
        => model.Targets.GroupBy(target => Last(target.Path))
            .OrderBy(group => Distance(Last(name).ToUpperInvariant(), group.Key.ToUpperInvariant()))
            .Select(group => $"{group.Key} ({group.Count()} module{(group.Count() == 1 ? "" : "s")})").Take(2);

    private static string Last(string path) => path[(path.LastIndexOf('.') + 1)..];

    // The targets, with repeated layers merged into one line: model.layers.*.self_attn.q_proj.
    public static string Outline(ModelTree model)
        => string.Join(Environment.NewLine, model.Targets
            .GroupBy(target => Regex.Replace(target.Path, @"(?<=\.|^)\d+(?=\.|$)", "*"))
            .Select(group => group.Count() == 1
                ? $"  {group.First()}"
                : $"  {group.Key}  ({group.Count()} × {group.First().Module.GetType().Name} {group.First().Out}×{group.First().In})"));

    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)));
        }
        return row[^1];
    }
}
