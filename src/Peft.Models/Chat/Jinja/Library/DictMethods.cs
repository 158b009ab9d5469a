namespace Peft.Models.Jinja;

/// <summary>The methods of Python's dicts. transformers refuses those that change one; here they change the rendering's own copy.</summary>
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
        "copy" => Of(name, arguments => Copy(dict), 0),
        "clear" => Of(name, arguments => Nothing(dict.Clear), 0),
        "update" => new Function(name, (frame, arguments) => Nothing(() => Update(frame.Run, dict, arguments))),
        _ => null,
    };

    /// <summary>Takes what Python's <c>dict(…)</c> takes: a dict or pairs, then names.</summary>
    public static void Update(RenderRun run, PyDict dict, Arguments arguments)
    {
        if (arguments.Positional.Count > 1) throw new ChatTemplateException("A dict is made of one value and names.");
        if (arguments.Positional is [PyDict other]) foreach (var (key, value) in other.ToList()) dict[key] = value;
        else if (arguments.Positional is [var pairs])
            foreach (var pair in run.Iterate(pairs))
            {
                var items = run.Iterate(pair).Take(3).ToList();
                if (items.Count != 2) throw new ChatTemplateException("A dict is made of pairs.");
                dict[items[0]] = items[1];
            }
        foreach (var (name, value) in arguments.Named) dict[name] = value;
        run.Charge(dict.Count);
    }

    static Function Of(string name, Func<BoundArguments, object?> body, int required, params string[] parameters)
        => new(name, (_, arguments) => body(arguments.Bind(name, required, parameters)));

    static PyDict Copy(PyDict dict)
    {
        var copy = new PyDict();
        foreach (var (key, value) in dict) copy[key] = value;
        return copy;
    }

    static object? SetDefault(PyDict dict, object? key, object? value)
    {
        if (dict.TryGet(key, out var present)) return present;
        return dict[key] = value;
    }

    static object? Nothing(Action change)
    {
        change();
        return null;
    }
}
