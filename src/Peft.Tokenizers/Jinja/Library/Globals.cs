namespace Peft.Tokenizers.Jinja;

/// <summary>The global functions of all templates.</summary>
internal static class Globals
{
    private static readonly Dictionary<string, Function> Functions = new Function[]
    {
        new("range", (_, arguments) => Range(arguments.Bind("range", 1, "start", "stop", "step"))),
        new("dict", (frame, arguments) => Dict(frame.Run, arguments)),
        new("namespace", (frame, arguments) => new Namespace(Dict(frame.Run, arguments).ToDictionary(
            pair => pair.Key as string ?? throw new ChatTemplateException("The names of a namespace's attributes must be strings."), pair => pair.Value))),
        new("raise_exception", (_, arguments) => throw Raised(arguments)),
        new("strftime_now", (frame, arguments) => TimeText.Of(frame.Run, arguments.Bind("strftime_now", 1, "format").Text(0))),
        new("joiner", (_, arguments) => Joiner(arguments.Bind("joiner", 0, "sep").Text(0, ", ")!)),
    }.ToDictionary(function => function.Name);

    public static bool TryGet(string name, out object? value)
    {
        var found = Functions.TryGetValue(name, out var function);
        value = function;
        return found;
    }

    private static PyRange Range(BoundArguments arguments)
        => arguments.Has(1) ? new(arguments.Integer(0, 0), arguments.Integer(1, 0), arguments.Integer(2, 1)) : new(0, arguments.Integer(0, 0), 1);

    private static PyDict Dict(RenderRun run, Arguments arguments)
    {
        var dict = new PyDict();
        DictMethods.Update(run, dict, arguments);
        return dict;
    }

    private static ChatTemplateException Raised(Arguments arguments)
    {
        var message = arguments.Bind("raise_exception", 1, "message")[0];
        var text = message as string ?? "(no text)";
        return new ChatTemplateException($"The template rejects the conversation: {text}", (int?)null, text);
    }

    private static Function Joiner(string separator)
    {
        var used = false;
        return new Function("joiner", (_, _) =>
        {
            var text = used ? separator : "";
            used = true;
            return text;
        });
    }
}
