namespace Peft.Tokenizers.Jinja;

/// <summary>Python's slices, including negative steps.</summary>
internal static class Slices
{
    public static object? Take(RenderRun run, object? target, object? start, object? stop, object? step)
    {
        if (target is Undefined undefined) throw undefined.Error();
        if (target is not (string or PySequence)) return new Undefined($"'{TypeName.Of(target)}' object cannot be sliced");
        var stride = Bound(step) ?? 1;
        if (stride == 0) throw new ChatTemplateException("A slice's step cannot be 0.");
        var length = Iteration.Length(run, target);
        var first = Clamp(Bound(start), stride > 0 ? 0 : length - 1);
        var end = Clamp(Bound(stop), stride > 0 ? length : -1);
        if (target is string text && stride == 1) return run.Made(first < end ? text[PythonText.Utf16Index(text, first)..PythonText.Utf16Index(text, end)] : "");

        if (target is string) run.ChargeItems(length);   // one string per character
        IReadOnlyList<object?> items = target as PySequence ?? (IReadOnlyList<object?>)[.. PythonText.Characters((string)target)];
        var taken = new List<object?>();
        if (stride > 0 ? first < end : first > end) run.ChargeItems((Math.Abs(end - first) - 1) / Math.Abs(stride) + 1);
        for (var i = first; stride > 0 ? i < end : i > end; i += stride) taken.Add(items[(int)i]);
        return target switch
        {
            string => string.Concat(taken),
            PyTuple => new PyTuple(taken),
            _ => new PyList(taken),
        };

        long Clamp(long? bound, long missing)
        {
            if (bound is not { } at) return missing;
            if (at < 0) at += length;
            return stride > 0 ? Math.Clamp(at, 0, length) : Math.Clamp(at, -1, length - 1);
        }
    }

    private static long? Bound(object? value) => value switch
    {
        null => null,
        long number => Math.Clamp(number, -int.MaxValue, int.MaxValue),
        bool flag => flag ? 1 : 0,
        Undefined undefined => throw undefined.Error(),
        _ => throw new ChatTemplateException($"A slice requires integers, not '{TypeName.Of(value)}'."),
    };
}
