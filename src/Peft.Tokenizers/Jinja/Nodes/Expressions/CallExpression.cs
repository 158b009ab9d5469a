namespace Peft.Tokenizers.Jinja;

internal sealed class CallExpression(int line, Expression function, ArgumentList arguments) : Expression(line)
{
    protected override object? Compute(Frame frame) => Call(frame, null);

    /// <summary>Calls the function with the block of a call statement, which a macro accesses as <c>caller</c>.</summary>
    public object? Call(Frame frame, Macro? caller)
    {
        var callee = function.Evaluate(frame);
        if (callee is Undefined undefined) throw undefined.Error();
        if (callee is not ICallable callable) throw new ChatTemplateException($"'{TypeName.Of(callee)}' object is not callable.");
        var values = arguments.Evaluate(frame);
        frame.Run.Step(Line);
        return callable.Call(frame, caller is null ? values : values.With("caller", caller));
    }
}
