namespace Peft.Tokenizers.Jinja;

/// <summary>Python's arithmetic, with 64-bit integers.</summary>
internal static class Arithmetic
{
    public static object? Apply(RenderRun run, string operation, object? left, object? right)
    {
        if (operation == "%" && left is string format) return run.Made(PercentFormat.Apply(run, format, right));
        if (left is Undefined a) throw a.Error();
        if (right is Undefined b) throw b.Error();
        if (left is bool or long or double && right is bool or long or double)
        {
            try
            {
                return left is double || right is double || operation == "/"
                    ? Floats(operation, Float(left), Float(right))
                    : Integers(operation, Integer(left), Integer(right));
            }
            catch (OverflowException exception)
            {
                throw new ChatTemplateException("The result does not fit into 64 bits.", exception);
            }
        }
        return operation switch
        {
            "+" => Add(run, left, right),
            "*" when right is bool or long => Repeat(run, left, Integer(right)),
            "*" when left is bool or long => Repeat(run, right, Integer(left)),
            _ => null,
        } ?? throw new ChatTemplateException($"'{operation}' is not supported between '{TypeName.Of(left)}' and '{TypeName.Of(right)}'.");
    }

    public static object Sign(object? value, bool negative) => value switch
    {
        double number => (object)(negative ? -number : number),
        bool or long => negative ? -Math.Max(Integer(value), -long.MaxValue) : Integer(value),
        Undefined undefined => throw undefined.Error(),
        _ => throw new ChatTemplateException($"A sign cannot precede '{TypeName.Of(value)}'."),
    };

    public static double Float(object? value) => value switch { double number => number, long number => number, _ => value is true ? 1 : 0 };

    public static long Integer(object? value) => value switch { long number => number, _ => value is true ? 1 : 0 };

    private static object Floats(string operation, double a, double b)
    {
        if (b == 0 && operation is ("/" or "//" or "%")) throw new ChatTemplateException("Division by zero.");
        return operation switch
        {
            "+" => a + b,
            "-" => a - b,
            "*" => a * b,
            "/" => a / b,
            "//" => Math.Floor((a - Modulo(a, b)) / b + 0.5),
            "%" => Modulo(a, b),
            _ => Math.Pow(a, b),
        };
    }

    private static double Modulo(double a, double b)
    {
        var rest = a % b;
        return rest != 0 && rest < 0 != b < 0 ? rest + b : rest;
    }

    private static object Integers(string operation, long a, long b)
    {
        if (b == 0 && operation is ("//" or "%")) throw new ChatTemplateException("Division by zero.");
        checked
        {
            return operation switch
            {
                "+" => (object)(a + b),
                "-" => a - b,
                "*" => a * b,
                "//" => a / b - (a % b != 0 && a < 0 != b < 0 ? 1 : 0),
                "%" => b == -1 ? 0 : a % b + (a % b != 0 && a < 0 != b < 0 ? b : 0),
                _ => b < 0 ? (object)Math.Pow(a, b) : Power(a, b),
            };
        }
    }

    private static long Power(long a, long b)
    {
        if (b == 0 || a == 1) return 1;
        if (a is 0) return 0;
        if (a == -1) return b % 2 == 0 ? 1 : -1;
        var result = 1L;
        for (; b > 0; b--) result = checked(result * a);
        return result;
    }

    private static object? Add(RenderRun run, object? left, object? right) => (left, right) switch
    {
        (string a, string b) => Joined(run, a, b),
        (PyList a, PyList b) => new PyList(Joined(run, a, b)),
        (PyTuple a, PyTuple b) => new PyTuple(Joined(run, a, b)),
        _ => null,
    };

    private static List<object?> Joined(RenderRun run, PySequence a, PySequence b)
    {
        run.ChargeItems((long)a.Count + b.Count);
        var items = new List<object?>(a.Count + b.Count);
        items.AddRange(a);
        items.AddRange(b);
        return items;
    }

    private static string Joined(RenderRun run, string a, string b)
    {
        run.Charge((long)a.Length + b.Length);
        return a + b;
    }

    private static object? Repeat(RenderRun run, object? value, long times)
    {
        times = Math.Max(0, times);
        var length = value is string whole ? whole.Length : value is PySequence sequence ? sequence.Count : 0;
        if (length == 0) times = 0;
        // Clamped before the multiplication, because both factors come from the template.
        var total = Math.Min(times, int.MaxValue) * length;
        if (value is string) run.Charge(total);
        else run.ChargeItems(total);
        return value switch
        {
            string text => string.Create((int)total, text, (all, part) =>
            {
                for (var at = 0; at < all.Length; at += part.Length) part.CopyTo(all[at..]);
            }),
            PyList list => new PyList(Repeated(list, times)),
            PyTuple tuple => new PyTuple(Repeated(tuple, times)),
            _ => null,
        };
    }

    private static List<object?> Repeated(PySequence sequence, long times)
    {
        object?[] once = [.. sequence];
        var items = new List<object?>((int)(once.Length * times));
        for (; times > 0; times--) items.AddRange(once);
        return items;
    }
}
