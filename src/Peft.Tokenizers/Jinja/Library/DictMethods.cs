namespace Peft.Tokenizers.Jinja;

/// <summary>The methods of Python's dicts. transformers rejects those that modify a dict. Here they modify the rendering's copy.</summary>
internal static class DictMethods
{
    public static Function? Find(PyDict dict, string name) => name switch
    {
        "items" => Of(name, arguments => new PyDictView("dict_items", dict, pair => new PyTuple([pair.Key, pair.Value])), 0),
        "keys" => Of(name, arguments => new PyDictView("dict_keys", dict, pair => pair.Key), 0),
        "values" => Of(name, arguments => new PyDictView("dict_values", dict, pair => pair.Value), 0),
        "get" => Of(name, arguments => dict.TryGet(arguments[0], out var value) ? value : arguments[1], 1, "key", "default"),
        "pop" => Of(name, arguments => dict.Remove(arguments[0], out var value) ? value : arguments.Has(1) ? arguments[1] : throw new ChatTemplateException("pop(): there is no such key."), 1, "key", "default"),
        "setdefault" => Of(name, arguments => SetDefault(dict, arguments[0], arguments[1]), 1, "key", "default"),
        "copy" => new Function(name, (frame, arguments) => Copied(frame.Run, dict, arguments)),
        "clear" => Of(name, arguments => Nothing(dict.Clear), 0),
        "update" => new Function(name, (frame, arguments) => Nothing(() => Update(frame.Run, dict, arguments))),
        _ => null,
    };

    /// <summary>Accepts the arguments of Python's <c>dict(…)</c>: a dict or pairs, then keyword arguments.</summary>
    public static void Update(RenderRun run, PyDict dict, Arguments arguments)
    {
        if (arguments.Positional.Count > 1) throw new ChatTemplateException("dict() accepts at most one positional argument.");
        run.ChargeItems(arguments.Named.Count);
        if (arguments.Positional is [PyDict other])
        {
            run.ChargeItems(other.Count);
            foreach (var (key, value) in other.ToList()) dict[key] = value;
        }
        else if (arguments.Positional is [var pairs])
            foreach (var pair in run.Iterate(pairs))
            {
                var items = run.Iterate(pair).Take(3).ToList();
                if (items.Count != 2) throw new ChatTemplateException("A dict can only be created from pairs.");
                run.ChargeItems(1);
                dict[items[0]] = items[1];
            }
        foreach (var (name, value) in arguments.Named) dict[name] = value;
    }

    private static Function Of(string name, Func<BoundArguments, object?> body, int required, params string[] parameters)
        => new(name, (_, arguments) => body(arguments.Bind(name, required, parameters)));

    private static PyDict Copied(RenderRun run, PyDict dict, Arguments arguments)
    {
        arguments.Bind("copy", 0);
        var copy = new PyDict();
        Update(run, copy, new([dict], []));
        return copy;
    }

    private static object? SetDefault(PyDict dict, object? key, object? value)
    {
        if (dict.TryGet(key, out var present)) return present;
        return dict[key] = value;
    }

    private static object? Nothing(Action change)
    {
        change();
        return null;
    }
}
