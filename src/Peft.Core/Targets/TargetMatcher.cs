using System.Globalization;
using System.Text.RegularExpressions;

namespace Peft;

/// <summary>Matches module names by Hugging Face PEFT's rules.</summary>
internal static class TargetMatcher
{
    private const int ManyPaths = 20;

    /// <summary>Finds the targets of options, and resolves the default names in the options.</summary>
    public static (IReadOnlyList<Target> Targets, TargetedOptions Options) Match(TargetedOptions options, ModelTree model)
    {
        var selector = options.TargetModules ?? Default(options, model);
        if (selector is null || (selector is { Pattern: null, Names.Count: 0 } && options.TargetsAreOptional)) return ([], options);
        var matches = model.Targets.Where(target => Selects(selector, options, target.Path, model, target)).ToList();
        RequireMatches(selector, options, matches, model);

        // A file stores the resolved names, since the meaning of "all-linear" and of defaults depends on the reader's version.
        ModuleSelector resolved = selector.IsAllLinear ? NamesOf(matches.ConvertAll(target => target.Path), model) : selector;
        return (matches, options with { TargetModules = resolved });
    }

    /// <summary>Adds the targets whose weights are tied to those of targets. Of a saved adapter, only those tied to an embedding, as in Hugging Face PEFT.</summary>
    public static (IReadOnlyList<Target> Targets, TargetedOptions Options) WithTied(IReadOnlyList<Target> targets, TargetedOptions options, ModelTree model)
    {
        var tied = targets.Where(target => target.IsLookup || !options.InferenceMode).SelectMany(model.TiedWith).Except(targets).ToHashSet();
        if (tied.Count == 0) return (targets, options);
        var paths = tied.Select(target => target.Path);
        ModuleSelector names = options.TargetModules is { Pattern: { } pattern } ? $"(?:{string.Join('|', paths.Select(Regex.Escape).Prepend(pattern))})"
            : ModuleSelector.Create([.. options.TargetModules!.Names, .. paths]);
        return ([.. model.Targets.Where(target => tied.Contains(target) || targets.Contains(target))], options with { TargetModules = names });
    }

    // As in Hugging Face PEFT, many paths become the last parts that no other module has: q_proj. Methods that share tensors among modules of a name know them by it.
    private static string[] NamesOf(IReadOnlyList<string> paths, ModelTree model)
    {
        if (paths.Count < ManyPaths) return [.. paths];
        var others = model.ModulePaths.Except(paths).SelectMany(Endings).ToHashSet(StringComparer.Ordinal);
        var names = new List<string>();
        foreach (var path in paths)
            if (!names.Any(name => ModuleSelector.Means(name, path))) names.Add(Endings(path).FirstOrDefault(ending => !others.Contains(ending), path));
        return [.. names];
    }

    // q_proj, self_attn.q_proj, …
    private static IEnumerable<string> Endings(string path)
    {
        for (var dot = path.LastIndexOf('.'); dot >= 0; dot = dot == 0 ? -1 : path.LastIndexOf('.', dot - 1)) yield return path[(dot + 1)..];
        yield return path;
    }

    /// <summary>Returns warnings for options without effect, such as a misspelt exclusion. They are not errors, since a file may be used with several models.</summary>
    public static IEnumerable<string> UnmatchedNames(TargetedOptions options, ModelTree model)
    {
        string[] unmatched = [.. options.TargetModules?.Names.Where(name => !model.Targets.Any(target => ModuleSelector.Means(name, target.Path))) ?? []];
        if (unmatched.Length > 0) yield return $"TargetModules [{string.Join(", ", unmatched)}] matches no module of {model.Model.GetType().Name} that can be adapted: only the other targets are adapted.";
        string[] unsaved = [.. model.UnmatchedWholeModules(options.ModulesToSave ?? [])];
        if (unsaved.Length > 0) yield return $"ModulesToSave [{string.Join(", ", unsaved)}] matches no module of {model.Model.GetType().Name}.";
        var excluded = options.ExcludeModules;
        string[] idle = excluded is null ? [] : excluded.Pattern is { } pattern ? (model.ModulePaths.Any(excluded.Matches) ? [] : [pattern])
            : [.. excluded.Names.Where(name => !model.ModulePaths.Any(path => ModuleSelector.Means(name, path)))];
        if (idle.Length > 0) yield return $"ExcludeModules [{string.Join(", ", idle)}] matches no module of {model.Model.GetType().Name}, so it excludes nothing.";
        var layers = options.LayersToTransform?.Where(layer => !model.ModulePaths.Any(path => LayerNumber(path, options.LayersPattern) == layer)).ToList();
        if (layers is { Count: > 0 }) yield return $"LayersToTransform [{string.Join(", ", layers)}] matches no layer of {model.Model.GetType().Name}.";
    }

    private static ModuleSelector? Default(TargetedOptions options, ModelTree model)
    {
        // A module of one's own is not adapted as a whole if single parameters are named.
        if (options.DefaultTargets(model) is { } usual && !(usual.IsAllLinear && options.TargetsAreOptional)) return usual;
        if (options.TargetsAreOptional) return null;
        throw new TargetNotFoundException(
            $"{options.PeftType} has no default targets for {(model.ModelType is { } known ? $"the architecture '{known}'" : $"a {model.Model.GetType().Name}, which is not a pretrained transformer")}. " +
            $"Set TargetModules to names, to a regular expression or to \"all-linear\". The modules that can be adapted are:{Environment.NewLine}{TargetHints.Outline(model)}");
    }

    private static bool Selects(ModuleSelector selector, TargetedOptions options, string path, ModelTree model, Target target)
    {
        if (options.ExcludeModules?.Matches(path) == true) return false;
        if (selector.IsAllLinear) return target.IsProduct && !model.IsHead(target);
        return selector.Matches(path) && InChosenLayers(options, path);
    }

    private static bool InChosenLayers(TargetedOptions options, string path)
    {
        if (options.LayersToTransform is not { Count: > 0 } layers) return true;
        return LayerNumber(path, options.LayersPattern) is { } number && layers.Contains(number);
    }

    /// <summary>Returns the index of the layer that contains a path: the first number between two names in it, or the number between one of the given lists and a name.</summary>
    public static int? LayerNumber(string path, IReadOnlyList<string>? lists)
    {
        if (lists is not { Count: > 0 }) lists = ["[^.]+"];
        foreach (var list in lists)
            if (Regex.Match(path, $@"(?:^|\.){list}\.(\d+)\.", RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1)) is { Success: true } match)
                return int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
        return null;
    }

    private static void RequireMatches(ModuleSelector selector, TargetedOptions options, List<Target> matches, ModelTree model)
    {
        if (selector is { Pattern: null, Names.Count: 0 })
            throw new AdapterOptionsException($"{nameof(options.TargetModules)} is an empty list, so there is nothing to adapt: pass names of modules, or leave it null for the method's defaults.");
        // Otherwise, a name that matches nothing would go unnoticed if others match, and a part of the adapter would be missing.
        var idle = selector.Names.Where(name => !model.Targets.Any(target => ModuleSelector.Means(name, target.Path))).ToList();
        // The user of a saved adapter cannot correct it, and Hugging Face PEFT also saves such names. UnmatchedNames warns about them.
        if (idle.Count > 0 && !(options.InferenceMode && idle.Count < selector.Names.Count)) throw TargetHints.NotFound(model, nameof(options.TargetModules), idle);
        if (matches.Count == 0)
            throw selector.Pattern is null
                ? new TargetNotFoundException($"All modules that TargetModules {selector} matches are excluded by ExcludeModules {options.ExcludeModules} or LayersToTransform [{string.Join(", ", options.LayersToTransform ?? [])}].")
                : TargetHints.NotFound(model, nameof(options.TargetModules), [selector.Pattern], isPattern: true);
    }
}
