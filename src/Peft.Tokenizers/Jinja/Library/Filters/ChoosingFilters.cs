namespace Peft.Tokenizers.Jinja;

/// <summary>Filters that apply another filter or a test to each item. Their results can be enumerated only once; usually <c>| list</c> follows.</summary>
internal static class ChoosingFilters
{
    public static readonly Dictionary<string, Filter> All = new()
    {
        ["map"] = (frame, value, arguments) => new PyGenerator(Map(frame, value, arguments)),
        ["select"] = (frame, value, arguments) => new PyGenerator(Choose(frame, value, arguments, byAttribute: false, keeps: true)),
        ["reject"] = (frame, value, arguments) => new PyGenerator(Choose(frame, value, arguments, byAttribute: false, keeps: false)),
        ["selectattr"] = (frame, value, arguments) => new PyGenerator(Choose(frame, value, arguments, byAttribute: true, keeps: true)),
        ["rejectattr"] = (frame, value, arguments) => new PyGenerator(Choose(frame, value, arguments, byAttribute: true, keeps: false)),
    };

    private static IEnumerable<object?> Map(Frame frame, object? value, Arguments arguments)
    {
        if (!Truth.Of(value)) yield break;
        var convert = Converter(frame, arguments);
        foreach (var item in frame.Run.Iterate(value)) yield return convert(item);
    }

    private static Func<object?, object?> Converter(Frame frame, Arguments arguments)
    {
        if (arguments.Positional is [var name, ..])
        {
            if (name is not string filter) throw new ChatTemplateException("map requires the name of a filter.");
            var rest = arguments.After(1);
            return item => Filters.Apply(frame, filter, item, rest);
        }
        if (arguments.Named.Count == 0) throw new ChatTemplateException("map requires the name of a filter or an attribute.");
        var bound = arguments.Bind("map", 1, "attribute", "default");
        var path = new AttributePath(bound[0]);
        return item => path.Of(frame.Run, item) is var found && found is Undefined && bound[1] is not null ? bound[1] : found;
    }

    private static IEnumerable<object?> Choose(Frame frame, object? value, Arguments arguments, bool byAttribute, bool keeps)
    {
        if (!Truth.Of(value)) yield break;
        if (byAttribute && arguments.Positional.Count == 0) throw new ChatTemplateException("selectattr and rejectattr require the name of an attribute.");
        var path = byAttribute ? new AttributePath(arguments.Positional[0]) : null;
        var rest = arguments.After(byAttribute ? 1 : 0);
        var test = rest.Positional is [var name, ..] ? name as string ?? throw new ChatTemplateException("The name of a test must be a string.") : null;
        var operands = rest.After(1);
        foreach (var item in frame.Run.Iterate(value))
        {
            var tested = path is null ? item : path.Of(frame.Run, item);
            var holds = test is null ? Truth.Of(tested) : Tests.Holds(frame, test, tested, operands);
            if (holds == keeps) yield return item;
        }
    }
}
