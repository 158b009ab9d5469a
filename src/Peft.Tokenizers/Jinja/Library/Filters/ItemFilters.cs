namespace Peft.Tokenizers.Jinja;

/// <summary>Filters for lists, dicts and other collections.</summary>
internal static class ItemFilters
{
    public static readonly Dictionary<string, Filter> All = new()
    {
        ["default"] = (_, value, arguments) => Default(value, arguments.Bind("default", 0, "default_value", "boolean")),
        ["d"] = (_, value, arguments) => Default(value, arguments.Bind("d", 0, "default_value", "boolean")),
        ["list"] = (frame, value, _) => new PyList(frame.Run.Items(value)),
        ["items"] = (frame, value, _) => new PyGenerator(Pairs(value)),
        ["first"] = (frame, value, _) => frame.Run.Iterate(value).Take(1).ToList() is [var first] ? first : new Undefined("no first item, the sequence was empty"),
        ["last"] = (frame, value, _) => Reversible(frame.Run, value) is [.., var last] ? last : new Undefined("no last item, the sequence was empty"),
        ["reverse"] = (frame, value, _) => Reverse(frame.Run, value),
        ["attr"] = (_, value, arguments) => Members.Own(value, arguments.Bind("attr", 1, "name").Text(0)),
        ["batch"] = (frame, value, arguments) => new PyGenerator(Batches(frame.Run, value, arguments.Bind("batch", 1, "linecount", "fill_with"))),
        ["sort"] = (frame, value, arguments) => Sort(frame.Run, value, arguments.Bind("sort", 0, "reverse", "case_sensitive", "attribute")),
        ["dictsort"] = (frame, value, arguments) => DictSort(frame.Run, value, arguments.Bind("dictsort", 0, "case_sensitive", "by", "reverse")),
        ["unique"] = (frame, value, arguments) => new PyGenerator(Unique(frame.Run, value, arguments.Bind("unique", 0, "case_sensitive", "attribute"))),
        ["min"] = (frame, value, arguments) => Extreme(frame.Run, value, arguments.Bind("min", 0, "case_sensitive", "attribute"), -1),
        ["max"] = (frame, value, arguments) => Extreme(frame.Run, value, arguments.Bind("max", 0, "case_sensitive", "attribute"), 1),
    };

    private static object? Default(object? value, BoundArguments arguments)
        => value is Undefined || (arguments.Flag(1) && !Truth.Of(value)) ? arguments.Has(0) ? arguments[0] : "" : value;

    private static IEnumerable<object?> Pairs(object? value)
    {
        if (value is Undefined) yield break;
        if (value is not PyDict dict) throw new ChatTemplateException($"items requires a dict, not '{TypeName.Of(value)}'.");
        foreach (var (key, each) in dict.ToList()) yield return new PyTuple([key, each]);
    }

    private static List<object?> Reversible(RenderRun run, object? value)
        => value is PyGenerator ? throw new ChatTemplateException("A generator has no last item: apply the list filter first.") : run.Items(value);

    private static object Reverse(RenderRun run, object? value)
    {
        var items = run.Items(value);
        items.Reverse();
        return value is string ? string.Concat(items) : value is PyGenerator ? new PyList(items) : new PyGenerator(items, "reverse iterator");
    }

    private static IEnumerable<object?> Batches(RenderRun run, object? value, BoundArguments arguments)
    {
        var size = (int)Math.Clamp(arguments.Integer(0, 1), 1, int.MaxValue);
        foreach (var chunk in run.Items(value).Chunk(size))
        {
            var items = chunk.ToList();
            if (arguments[1] is not null && items.Count < size)
            {
                run.ChargeItems(size - items.Count);
                items.AddRange(Enumerable.Repeat(arguments[1], size - items.Count));
            }
            yield return new PyList(items);
        }
    }

    private static PyList Sort(RenderRun run, object? value, BoundArguments arguments)
    {
        var paths = arguments[2] is string several ? several.Split(',').Select(one => new AttributePath(one)).ToArray() : arguments[2] is null ? [] : [new AttributePath(arguments[2])];
        Func<object?, object?> key = paths.Length == 0
            ? item => Folded(item, arguments.Flag(1))
            : item => new PyList([.. paths.Select(path => Folded(path.Of(run, item), arguments.Flag(1)))]);
        return new(Comparisons.Sorted(run, run.Items(value), key, arguments.Flag(0)));
    }

    private static PyList DictSort(RenderRun run, object? value, BoundArguments arguments)
    {
        var position = arguments.Text(1, "key") switch
        {
            "key" => 0,
            "value" => 1,
            _ => throw new ChatTemplateException("dictsort: 'by' must be 'key' or 'value'."),
        };
        if (value is Undefined undefined) throw undefined.Error();
        return new(Comparisons.Sorted(run, [.. Pairs(value)], pair => Folded(((PyTuple)pair!)[position], arguments.Flag(0)), arguments.Flag(2)));
    }

    private static IEnumerable<object?> Unique(RenderRun run, object? value, BoundArguments arguments)
    {
        var path = arguments[1] is null ? null : new AttributePath(arguments[1]);
        var seen = new PyDict();
        foreach (var item in run.Iterate(value))
        {
            var key = Folded(path is null ? item : path.Of(run, item), arguments.Flag(0));
            if (seen.Contains(key)) continue;
            seen[key] = true;
            yield return item;
        }
    }

    private static object? Extreme(RenderRun run, object? value, BoundArguments arguments, int sign)
    {
        var path = arguments[1] is null ? null : new AttributePath(arguments[1]);
        var items = run.Items(value);
        if (items.Count == 0) return new Undefined("no aggregated item, the sequence was empty");
        var best = items[0];
        foreach (var item in items.Skip(1))
            if (Comparisons.Compare(run, Key(item), Key(best)) * sign > 0) best = item;
        return best;

        object? Key(object? item) => Folded(path is null ? item : path.Of(run, item), arguments.Flag(0));
    }

    private static object? Folded(object? value, bool caseSensitive) => value is string text && !caseSensitive ? PythonText.Lower(text) : value;
}
