using System.Globalization;

namespace Peft.Tokenizers.Jinja;

/// <summary>Filters that return numbers.</summary>
internal static class NumberFilters
{
    public static readonly Dictionary<string, Filter> All = new()
    {
        ["int"] = (_, value, arguments) => Integer(value, arguments.Bind("int", 0, "default", "base")),
        ["float"] = (_, value, arguments) => Float(value, arguments.Bind("float", 0, "default")),
        ["abs"] = (_, value, _) => Absolute(value),
        ["round"] = (_, value, arguments) => Round(value, arguments.Bind("round", 0, "precision", "method")),
        ["length"] = (frame, value, _) => Iteration.Length(frame.Run, value),
        ["count"] = (frame, value, _) => Iteration.Length(frame.Run, value),
        ["sum"] = (frame, value, arguments) => Sum(frame.Run, value, arguments.Bind("sum", 0, "attribute", "start")),
    };

    private static object? Integer(object? value, BoundArguments arguments)
    {
        switch (value)
        {
            case long or bool:
                return Arithmetic.Integer(value);
            case double number when Math.Abs(number) < 9.2e18:
                return (long)number;
            case string text:
                if (NumberText.ParseInteger(text, (int)Math.Clamp(arguments.Integer(1, 10), 0, 36)) is { } integer) return integer;
                if (NumberText.ParseFloat(text) is { } real && Math.Abs(real) < 9.2e18) return (long)real;
                break;
            case Undefined undefined:
                throw undefined.Error();
        }
        return arguments.Has(0) ? arguments[0] : 0L;
    }

    private static object? Float(object? value, BoundArguments arguments) => value switch
    {
        bool or long or double => Arithmetic.Float(value),
        string text when NumberText.ParseFloat(text) is { } number => number,
        Undefined undefined => throw undefined.Error(),
        _ => arguments.Has(0) ? arguments[0] : 0.0,
    };

    private static object Absolute(object? value) => value switch
    {
        double number => (object)Math.Abs(number),
        bool or long => Math.Abs(Math.Max(Arithmetic.Integer(value), -long.MaxValue)),
        Undefined undefined => throw undefined.Error(),
        _ => throw new ChatTemplateException($"abs requires a number, not '{TypeName.Of(value)}'."),
    };

    private static object Round(object? value, BoundArguments arguments)
    {
        if (value is Undefined undefined) throw undefined.Error();
        if (value is not (bool or long or double)) throw new ChatTemplateException($"round requires a number, not '{TypeName.Of(value)}'.");
        var precision = (int)Math.Clamp(arguments.Integer(0, 0), -400, 400);
        var method = arguments.Text(1, "common");
        var number = Arithmetic.Float(value);
        var scale = Math.Pow(10, precision);
        return method switch
        {
            "common" when value is not double => (object)(precision >= 0 ? Arithmetic.Integer(value) : RoundInteger(Arithmetic.Integer(value), -precision)),
            "common" when !double.IsFinite(number) => number,
            "common" when precision < 0 => (double)RoundInteger((long)Math.Clamp(Math.Round(number), -9.2e18, 9.2e18), -precision),
            "common" => double.Parse(NumberText.Fixed(number, precision), CultureInfo.InvariantCulture),
            "ceil" => Math.Ceiling(number * scale) / scale,
            "floor" => Math.Floor(number * scale) / scale,
            _ => throw new ChatTemplateException("round: the method must be 'common', 'ceil' or 'floor'."),
        };
    }

    private static long RoundInteger(long number, int zeros)
    {
        if (zeros > 18) return 0;
        var unit = (Int128)Math.Pow(10, zeros);
        var rest = ((number % unit) + unit) % unit;
        var low = number - rest;
        var up = rest * 2 > unit || (rest * 2 == unit && low / unit % 2 != 0);
        return (long)(up ? low + unit : low);
    }

    private static object? Sum(RenderRun run, object? value, BoundArguments arguments)
    {
        var attribute = arguments[0] is null ? null : new AttributePath(arguments[0]);
        var sum = arguments.Has(1) ? arguments[1] : 0L;
        foreach (var item in run.Iterate(value))
        {
            var next = attribute is null ? item : attribute.Of(run, item);
            if (next is string) throw new ChatTemplateException("sum cannot add strings; use join.");
            sum = Arithmetic.Apply(run, "+", sum, next);
        }
        return sum;
    }
}
