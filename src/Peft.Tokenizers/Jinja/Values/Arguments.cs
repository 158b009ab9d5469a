namespace Peft.Tokenizers.Jinja;

/// <summary>The arguments of a call.</summary>
internal sealed record Arguments(List<object?> Positional, Dictionary<string, object?> Named)
{
    public static Arguments None { get; } = new([], []);

    public Arguments With(string name, object? value) => this with { Named = new(Named) { [name] = value } };

    /// <summary>The arguments without the first positional ones.</summary>
    public Arguments After(int count) => this with { Positional = [.. Positional.Skip(count)] };

    /// <summary>Assigns the arguments to parameters.</summary>
    /// <param name="function">Name of the function, for errors.</param>
    /// <param name="required">Number of required parameters.</param>
    /// <param name="parameters">Names of the parameters.</param>
    public BoundArguments Bind(string function, int required, params string[] parameters)
    {
        if (Positional.Count > parameters.Length)
            throw new ChatTemplateException($"{function} accepts at most {parameters.Length} argument(s), but {Positional.Count} were passed.");
        var values = new object?[parameters.Length];
        var given = new bool[parameters.Length];
        for (var i = 0; i < Positional.Count; i++) (values[i], given[i]) = (Positional[i], true);
        foreach (var (name, value) in Named)
        {
            var at = Array.IndexOf(parameters, name);
            if (at < 0) throw new ChatTemplateException($"{function} has no argument '{name}'.");
            if (given[at]) throw new ChatTemplateException($"The argument '{name}' of {function} is passed twice.");
            (values[at], given[at]) = (value, true);
        }
        for (var i = 0; i < required; i++)
            if (!given[i]) throw new ChatTemplateException($"{function} requires the argument '{parameters[i]}'.");
        return new(function, parameters, values, given);
    }
}
