using Peft.Kernels;

namespace Peft.Core.Tests.Kernels;

public class WorkTeamTests
{
    [Theory]
    [InlineData(1, 5)]
    [InlineData(2, 1)]
    [InlineData(3, 1000)]
    public void Every_part_runs_once(int threads, int count)
    {
        for (var round = 0; round < 200; round++)
        {
            var runs = new int[count];
            while (!WorkTeam.TryRun(threads, count, i => Interlocked.Increment(ref runs[i]))) { }   // other tests may be using the workers
            runs.ShouldAllBe(each => each == 1);
        }
    }

    [Fact]
    public void Parts_that_fail_are_reported_after_the_others_have_run()
    {
        var runs = 0;
        bool Try() => WorkTeam.TryRun(2, 20, i =>
        {
            if (i == 3) throw new InvalidOperationException("three");
            Interlocked.Increment(ref runs);
        });
        AggregateException? error = null;
        while (error is null)
        {
            try
            {
                Try();
            }
            catch (AggregateException thrown)
            {
                error = thrown;
            }
        }
        error.InnerException!.Message.ShouldBe("three");
        runs.ShouldBe(19);
        while (!WorkTeam.TryRun(2, 4, _ => Interlocked.Increment(ref runs))) { }
        runs.ShouldBe(23);
    }

    [Fact]
    public void Another_thread_and_a_part_itself_are_refused_and_workers_wake_up_again()
    {
        bool? inner = null;
        while (!WorkTeam.TryRun(2, 2, _ => inner = WorkTeam.TryRun(2, 2, _ => { }))) { }
        inner.ShouldBe(false);

        long sum = 0;
        Parallel.For(0, 4, _ =>
        {
            for (var round = 0; round < 500; round++)
            {
                if (round % 100 == 99) Thread.Sleep(1);   // longer than the workers' patience
                void Part(int i) => Interlocked.Add(ref sum, i);
                if (WorkTeam.TryRun(3, 8, Part)) continue;
                for (var i = 0; i < 8; i++) Part(i);
            }
        });
        sum.ShouldBe(4 * 500 * 28);
    }

    [Fact]
    public void Threads_that_take_turns_get_adjoining_chunks()
    {
        Enumerable.Range(0, 8).Select(turn => WorkTeam.Adjoining(turn, 8, 2)).ShouldBe([0, 4, 1, 5, 2, 6, 3, 7]);
        Enumerable.Range(0, 7).Select(turn => WorkTeam.Adjoining(turn, 7, 3)).ShouldBe([0, 3, 5, 1, 4, 6, 2]);
        foreach (var (count, threads) in new[] { (1, 1), (5, 1), (3, 8), (64, 7) }) Enumerable.Range(0, count).Select(turn => WorkTeam.Adjoining(turn, count, threads)).Order().ShouldBe(Enumerable.Range(0, count));
    }
}
