namespace Peft;

/// <summary>A linear scale from values to a span of a drawing, with round ticks.</summary>
internal sealed class Axis
{
    private readonly double from, to, low, high;

    public Axis(double low, double high, double from, double to, int ticks)
    {
        if (!(high > low))
        {
            var room = low == 0 ? 1 : Math.Abs(low) * 0.1;
            (low, high) = (low - room, low + room);
        }
        (this.low, this.high, this.from, this.to) = (low, high, from, to);
        var rough = (high - low) / ticks;
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        var step = power * ((rough / power) switch { < 1.5 => 1, < 3.5 => 2, < 7.5 => 5, _ => 10 });
        Ticks = [.. Enumerable.Range(0, ticks * 3).Select(i => (Math.Ceiling(low / step) + i) * step).TakeWhile(tick => tick <= high + step * 1e-6).Select(tick => Math.Abs(tick) < step * 1e-6 ? 0 : tick)];
    }

    public IReadOnlyList<double> Ticks { get; }

    public double At(double value) => from + (value - low) / (high - low) * (to - from);
}
