namespace Peft.Tokenizers.Jinja;

internal sealed class PyRange(long start, long stop, long step) : PySequence
{
    // The limit of Jinja's sandbox.
    public const int MaxItems = 100_000;

    public override int Count { get; } = Length(start, stop, step);

    public long Start => start;

    public long Stop => stop;

    public long Step => step;

    public override object? this[int index] => start + index * step;

    private static int Length(long start, long stop, long step)
    {
        if (step == 0) throw new ChatTemplateException("The step of range() cannot be 0.");
        var length = step > 0 ? ((Int128)stop - start + step - 1) / step : ((Int128)start - stop - step - 1) / -(Int128)step;
        if (length > MaxItems) throw new ChatTemplateException($"range() is limited to {MaxItems:N0} items.");
        return (int)Int128.Max(0, length);
    }
}
