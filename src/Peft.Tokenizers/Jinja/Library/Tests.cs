namespace Peft.Tokenizers.Jinja;

/// <summary>The tests, which follow <c>is</c>.</summary>
internal static class Tests
{
    private delegate bool Test(Frame frame, object? value, Arguments arguments);

    private static readonly Dictionary<string, Test> All = new()
    {
        ["defined"] = Is(value => value is not Undefined),
        ["undefined"] = Is(value => value is Undefined),
        ["none"] = Is(value => value is null),
        ["boolean"] = Is(value => value is bool),
        ["true"] = Is(value => value is true),
        ["false"] = Is(value => value is false),
        ["integer"] = Is(value => value is long),
        ["float"] = Is(value => value is double),
        ["number"] = Is(value => value is long or double or bool),
        ["string"] = Is(value => value is string),
        ["mapping"] = Is(value => value is PyDict),
        ["iterable"] = Is(Iteration.IsPossible),
        // In Jinja, an undefined value has a length and items, although using them fails.
        ["sequence"] = Is(value => value is string or PySequence or PyDict or Undefined),
        ["callable"] = Is(value => value is ICallable or Undefined),
        ["even"] = Is(value => Arithmetic.Apply(null!, "%", Numeric(value), 2L) is 0L or 0.0),
        ["odd"] = Is(value => Arithmetic.Apply(null!, "%", Numeric(value), 2L) is 1L or 1.0),
        ["divisibleby"] = (frame, value, arguments) => Arithmetic.Apply(frame.Run, "%", Numeric(value), Numeric(arguments.Bind("divisibleby", 1, "num")[0])) is 0L or 0.0,
        ["upper"] = (frame, value, _) => StringMethods.IsUpper(frame.Run.Text(value)),
        ["lower"] = (frame, value, _) => StringMethods.IsLower(frame.Run.Text(value)),
        ["in"] = (frame, value, arguments) => Comparisons.Contains(frame.Run, arguments.Bind("in", 1, "seq")[0], value),
        ["sameas"] = (_, value, arguments) => IsSame(value, arguments.Bind("sameas", 1, "other")[0]),
        ["filter"] = Is(value => value is string name && Filters.Exists(name)),
        ["test"] = Is(value => value is string name && Exists(name)),
        ["eq"] = Compares("=="), ["equalto"] = Compares("=="), ["=="] = Compares("=="),
        ["ne"] = Compares("!="), ["!="] = Compares("!="),
        ["lt"] = Compares("<"), ["lessthan"] = Compares("<"), ["<"] = Compares("<"),
        ["le"] = Compares("<="), ["<="] = Compares("<="),
        ["gt"] = Compares(">"), ["greaterthan"] = Compares(">"), [">"] = Compares(">"),
        ["ge"] = Compares(">="), [">="] = Compares(">="),
    };

    public static bool Exists(string name) => All.ContainsKey(name);

    public static bool Holds(Frame frame, string name, object? value, Arguments arguments)
    {
        if (!All.TryGetValue(name, out var test)) throw new ChatTemplateException($"There is no test named '{Excerpt.Of(name)}'.");
        if (value is string) frame.Run.Look(value);
        return test(frame, value, arguments);
    }

    private static Test Is(Func<object?, bool> holds) => (_, value, arguments) =>
    {
        arguments.Bind("the test", 0);
        return holds(value);
    };

    private static Test Compares(string operation) => (frame, value, arguments) => Comparisons.Holds(frame.Run, operation, value, arguments.Bind(operation, 1, "other")[0]);

    private static object? Numeric(object? value) => value is string ? throw new ChatTemplateException("A number is required, not 'str'.") : value;

    private static bool IsSame(object? left, object? right) => (left, right) switch
    {
        (bool a, bool b) => a == b,
        (long a, long b) => a == b,
        (string a, string b) => a == b,
        _ => ReferenceEquals(left, right),
    };
}
