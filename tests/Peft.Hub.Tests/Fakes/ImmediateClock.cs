namespace Peft.Hub.Tests;

/// <summary>A clock on which waiting takes no time. What is longer than a quarter of an hour guards against silence, and ends when the test says so.</summary>
public sealed class ImmediateClock : TimeProvider
{
    public static readonly TimeSpan Silence = TimeSpan.FromHours(1);
    private readonly Lock busy = new();
    private readonly List<Timer> guards = [];
    private DateTimeOffset now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    /// <summary>All pauses that were waited for.</summary>
    public List<TimeSpan> Pauses { get; } = [];

    public override DateTimeOffset GetUtcNow() => now;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(() => callback(state));
        lock (busy)
        {
            if (dueTime == Silence) guards.Add(timer);
            else if (dueTime >= TimeSpan.Zero)
            {
                Pauses.Add(dueTime);
                now += dueTime;
                ThreadPool.QueueUserWorkItem(_ => timer.Fire());
            }
        }
        return timer;
    }

    public void FallSilent()
    {
        List<Timer> due;
        lock (busy) due = [.. guards];
        foreach (var timer in due) timer.Fire();
    }

    private sealed class Timer(Action callback) : ITimer
    {
        private volatile bool isOver;

        public void Fire()
        {
            if (!isOver) callback();
        }

        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose() => isOver = true;

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
