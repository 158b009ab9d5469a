namespace Peft.Tokenizers.Jinja;

/// <summary>Attributes and items as in Jinja: <c>a.b</c> looks for a method first and then for the item <c>'b'</c>, <c>a['b']</c> the other way round.</summary>
internal static class Members
{
    public static object? Attribute(RenderRun run, object? target, string name)
        => TryOwn(target, name, out var value) || TryItem(run, target, name, out value) ? value : Missing(target, name);

    public static object? Item(RenderRun run, object? target, object? key)
        => TryItem(run, target, key, out var value) || (key is string name && TryOwn(target, name, out value)) ? value : Missing(target, key);

    /// <summary>The lookup of the <c>attr</c> filter, which ignores items.</summary>
    public static object? Own(object? target, string name) => TryOwn(target, name, out var value) ? value : Missing(target, name);

    private static bool TryOwn(object? target, string name, out object? value)
    {
        if (target is Undefined undefined) throw undefined.Error();
        value = target switch
        {
            string text => StringMethods.Find(text, name),
            PyDict dict => DictMethods.Find(dict, name),
            PySequence sequence => ListMethods.Find(sequence, name),
            Macro macro when name == "name" => macro.Name,
            _ => null,
        };
        if (value is not null) return true;
        return target switch
        {
            Namespace attributes => attributes.Values.TryGetValue(name, out value),
            LoopState loop => loop.TryGet(name, out value),
            _ => false,
        };
    }

    private static bool TryItem(RenderRun run, object? target, object? key, out object? value)
    {
        value = null;
        switch (target)
        {
            case Undefined undefined:
                throw undefined.Error();
            case PyDict dict:
                return PyDict.IsKey(key) && dict.TryGet(key, out value);
            case PySequence or string when key is long or bool:
                var (index, count) = (Arithmetic.Integer(key), Iteration.Length(run, target));
                if (index < 0) index += count;
                if (index < 0 || index >= count) return false;
                value = target is PySequence sequence ? sequence[(int)index] : CharacterAt((string)target, index);
                return true;
            default:
                return false;
        }
    }

    private static string CharacterAt(string text, long index)
    {
        var at = PythonText.Utf16Index(text, index);
        return text.Substring(at, PythonText.WidthAt(text, at));
    }

    private static Undefined Missing(object? target, object? key)
    {
        var type = target is null ? "None" : $"{TypeName.Of(target)} object";
        return new(key is string name ? $"'{type}' has no attribute '{Excerpt.Of(name)}'" : $"'{type}' has no element {(key is PySequence or PyDict ? TypeName.Of(key) : key ?? "None")}");
    }
}
