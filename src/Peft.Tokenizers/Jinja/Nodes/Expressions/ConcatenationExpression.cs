namespace Peft.Tokenizers.Jinja;

internal sealed class ConcatenationExpression(int line, List<Expression> parts) : Expression(line)
{
    protected override object? Compute(Frame frame)
    {
        var texts = new string[parts.Count];
        for (var i = 0; i < texts.Length; i++) texts[i] = frame.Run.Made(frame.Run.Text(parts[i].Evaluate(frame)));
        return string.Concat(texts);
    }
}
