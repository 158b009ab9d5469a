using System.Runtime.ExceptionServices;

namespace Peft.Tokenizers.Jinja;

/// <summary>Python's comparisons.</summary>
internal static class Comparisons
{
    public static bool Holds(RenderRun run, string operation, object? left, object? right) => operation switch
    {
        "==" => AreEqual(run, left, right),
        "!=" => !AreEqual(run, left, right),
        "<" => Compare(run, left, right, operation) is < 0,
        "<=" => Compare(run, left, right, operation) is <= 0,
        ">" => Compare(run, left, right, operation) is > 0,
        ">=" => Compare(run, left, right, operation) is >= 0,
        "in" => Contains(run, right, left),
        _ => !Contains(run, right, left),
    };

    public static bool AreEqual(RenderRun run, object? left, object? right)
    {
        run.Step();
        if (left is string) run.Look(left);
        return (left, right) switch
        {
            (string a, string b) => a == b,
            (bool or long or double, bool or long or double) => NumbersEqual(left, right),
            (Undefined, Undefined) => true,
            (PyList a, PyList b) => SequencesEqual(run, a, b),
            (PyTuple a, PyTuple b) => SequencesEqual(run, a, b),
            (PyRange a, PyRange b) => SequencesEqual(run, a, b),
            (PyDict a, PyDict b) => DictsEqual(run, a, b),
            _ => ReferenceEquals(left, right),
        };
    }

    public static bool NumbersEqual(object? left, object? right)
        => left is double || right is double ? Arithmetic.Float(left) == Arithmetic.Float(right) : Arithmetic.Integer(left) == Arithmetic.Integer(right);

    /// <summary>Compares two values; null if they are unordered, as NaN is.</summary>
    public static int? Compare(RenderRun run, object? left, object? right, string operation = "<")
    {
        run.Step();
        switch (left, right)
        {
            case (string a, string b):
                run.Look(Math.Min(a.Length, b.Length));
                return PythonText.Compare(a, b);
            case (bool or long or double, bool or long or double):
                if (left is not double && right is not double) return Arithmetic.Integer(left).CompareTo(Arithmetic.Integer(right));
                var (x, y) = (Arithmetic.Float(left), Arithmetic.Float(right));
                return double.IsNaN(x) || double.IsNaN(y) ? null : x.CompareTo(y);
            case (PyList, PyList) or (PyTuple, PyTuple):
                var (first, second) = ((PySequence)left!, (PySequence)right!);
                for (var i = 0; i < first.Count && i < second.Count; i++)
                    if (!AreEqual(run, first[i], second[i])) return Compare(run, first[i], second[i], operation);
                return first.Count.CompareTo(second.Count);
            default:
                if ((left as Undefined ?? right as Undefined) is { } undefined) throw undefined.Error();
                throw new ChatTemplateException($"'{operation}' is not supported between '{TypeName.Of(left)}' and '{TypeName.Of(right)}'.");
        }
    }

    /// <summary>Sorts items stably, in either direction.</summary>
    public static List<T> Sorted<T>(RenderRun run, IEnumerable<T> items, Func<T, object?> key, bool descending)
    {
        var comparer = Comparer<object?>.Create((a, b) => Compare(run, a, b) ?? 0);
        try
        {
            return [.. descending ? items.OrderByDescending(key, comparer) : items.OrderBy(key, comparer)];
        }
        catch (InvalidOperationException exception) when (exception.InnerException is { } inner)
        {
            // LINQ wraps the exceptions of a comparer.
            ExceptionDispatchInfo.Throw(inner);
            throw;
        }
    }

    public static bool Contains(RenderRun run, object? container, object? item) => container switch
    {
        string text => item is string part
            ? HasPart(run, text, part)
            : throw new ChatTemplateException($"'in <string>' requires a string on its left, not '{TypeName.Of(item)}'."),
        PyDict dict => dict.Contains(item),
        Namespace => throw new ChatTemplateException("A namespace cannot be searched with 'in'."),
        _ => run.Iterate(container).Any(each => ReferenceEquals(each, item) || AreEqual(run, each, item)),
    };

    private static bool HasPart(RenderRun run, string text, string part)
    {
        run.Search(text, part);
        return text.Contains(part, StringComparison.Ordinal);
    }

    private static bool SequencesEqual(RenderRun run, PySequence left, PySequence right)
    {
        if (left.Count != right.Count) return false;
        for (var i = 0; i < left.Count; i++)
            if (!AreEqual(run, left[i], right[i])) return false;
        return true;
    }

    private static bool DictsEqual(RenderRun run, PyDict left, PyDict right)
        => left.Count == right.Count && left.All(pair => right.TryGet(pair.Key, out var other) && AreEqual(run, pair.Value, other));
}
