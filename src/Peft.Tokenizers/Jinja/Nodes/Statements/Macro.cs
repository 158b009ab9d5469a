namespace Peft.Tokenizers.Jinja;

/// <summary>A macro with the scope of its definition.</summary>
internal sealed class Macro(MacroDefinition definition, Frame outer) : ICallable
{
    public string Name => definition.Name;

    public object? Call(Frame frame, Arguments arguments)
    {
        using var deeper = frame.Run.Deeper();
        var inner = outer.Capturing();
        Bind(inner, arguments);
        definition.Body.Execute(inner);
        return inner.Output.ToString();
    }

    private void Bind(Frame inner, Arguments arguments)
    {
        var named = new Dictionary<string, object?>(arguments.Named);
        var parameters = definition.Parameters;
        var takesCaller = definition.TakesCaller && parameters.All(parameter => parameter.Name != "caller");
        for (var i = 0; i < parameters.Count; i++)
        {
            var (name, fallback) = parameters[i];
            if (i < arguments.Positional.Count) inner.Set(name, arguments.Positional[i]);
            else if (named.Remove(name, out var value)) inner.Set(name, value);
            // A default may refer to earlier parameters.
            else inner.Set(name, fallback is null ? new Undefined($"parameter '{name}' was not provided") : fallback.Evaluate(inner));
        }
        if (takesCaller) inner.Set("caller", named.Remove("caller", out var caller) ? caller : new Undefined("No caller defined"));
        if (definition.TakesMoreNamed) inner.Set("kwargs", PyDict.From(named));
        else if (named.Count > 0) throw new ChatTemplateException($"The macro '{Name}' does not have a parameter '{named.Keys.First()}'.");
        if (definition.TakesMore) inner.Set("varargs", new PyTuple([.. arguments.Positional.Skip(parameters.Count)]));
        else if (arguments.Positional.Count > parameters.Count)
            throw new ChatTemplateException($"The macro '{Name}' accepts at most {parameters.Count} argument(s).");
    }
}
