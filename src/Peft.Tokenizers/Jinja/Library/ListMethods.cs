namespace Peft.Tokenizers.Jinja;

/// <summary>The methods of Python's lists and tuples. transformers rejects those that modify a list. Here they modify the rendering's copy.</summary>
internal static class ListMethods
{
    public static Function? Find(PySequence sequence, string name) => name switch
    {
        "index" => new Function(name, (frame, arguments) => Index(frame.Run, sequence, arguments.Bind(name, 1, "value")[0])),
        "count" => new Function(name, (frame, arguments) => Count(frame.Run, sequence, arguments.Bind(name, 1, "value")[0])),
        _ => sequence is PyList list ? Changing(list.Items, name) : null,
    };

    // Methods that move or compare items are charged by the number of items.
    private static Function? Changing(List<object?> items, string name) => name switch
    {
        "append" => Of(items, name, arguments => items.Add(arguments[0]), 1, "object"),
        "insert" => Of(items, name, arguments => items.Insert((int)Math.Clamp(FromEnd(items, arguments.Integer(0, 0)), 0, items.Count), arguments[1]), 2, "index", "object"),
        "reverse" => Of(items, name, arguments => items.Reverse(), 0),
        "clear" => Of(items, name, arguments => items.Clear(), 0),
        "extend" => new Function(name, (frame, arguments) =>
        {
            items.AddRange(frame.Run.Items(arguments.Bind(name, 1, "iterable")[0]));
            return null;
        }),
        "remove" => new Function(name, (frame, arguments) =>
        {
            frame.Run.Look(items.Count);
            items.RemoveAt((int)Index(frame.Run, new PyList(items), arguments.Bind(name, 1, "value")[0]));
            return null;
        }),
        "pop" => new Function(name, (frame, arguments) =>
        {
            var at = FromEnd(items, arguments.Bind(name, 0, "index").Integer(0, -1));
            if (at < 0 || at >= items.Count) throw new ChatTemplateException("pop(): there is no such item.");
            frame.Run.Look(items.Count - at);
            var item = items[(int)at];
            items.RemoveAt((int)at);
            return item;
        }),
        "copy" => new Function(name, (frame, _) => new PyList(frame.Run.Items(new PyList(items)))),
        _ => null,
    };

    private static long FromEnd(List<object?> items, long index) => index < 0 ? index + items.Count : index;

    private static Function Of(List<object?> items, string name, Action<BoundArguments> body, int required, params string[] parameters) => new(name, (frame, arguments) =>
    {
        if (name != "append") frame.Run.Look(items.Count);
        body(arguments.Bind(name, required, parameters));
        return null;
    });

    private static long Count(RenderRun run, PySequence sequence, object? value) => sequence.Count(item => Comparisons.AreEqual(run, item, value));

    private static long Index(RenderRun run, PySequence sequence, object? value)
    {
        for (var i = 0; i < sequence.Count; i++)
            if (Comparisons.AreEqual(run, sequence[i], value)) return i;
        throw new ChatTemplateException("The list has no such item.");
    }
}
