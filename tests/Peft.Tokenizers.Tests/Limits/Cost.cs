using System.Diagnostics;

namespace Peft.Tokenizers.Tests.Limits;

/// <summary>What an input of a stranger may cost, whatever it is: an end, a gigabyte, and no exception but the library's own.</summary>
internal static class Cost
{
    private const long MostBytes = 1 << 30;

    // Tells work within the limits, a few seconds on a busy machine, from work without: minutes to hours for the inputs of these tests.
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    /// <summary>Runs something; the library's exception if it ended in one.</summary>
    public static PeftException? Of(Action run, Func<string> input)
    {
        var bytes = GC.GetAllocatedBytesForCurrentThread();
        var watch = Stopwatch.StartNew();
        PeftException? failure = null;
        try
        {
            run();
        }
        catch (PeftException error)
        {
            failure = error;
        }
        catch (Exception error)
        {
            throw new InvalidOperationException($"A raw {error.GetType().Name}: {error.Message}\nby {input()}", error);
        }
        var made = GC.GetAllocatedBytesForCurrentThread() - bytes;
        if (watch.Elapsed > Longest || made > MostBytes) throw new InvalidOperationException($"It took {watch.Elapsed} and {made:N0} bytes:\n{input()}");
        if (failure is not null && string.IsNullOrWhiteSpace(failure.Message)) throw new InvalidOperationException($"An error without words: {failure.GetType()} by {input()}");
        return failure;
    }

    /// <summary>Runs many inputs. Returns the number of those that ended in the library's exception.</summary>
    public static int Refused(int times, Func<(string Input, Action Run)> next)
    {
        var refused = 0;
        for (var i = 0; i < times; i++)
        {
            var (input, run) = next();
            if (Of(run, () => $"input {i}: {input}") is not null) refused++;
        }
        return refused;
    }
}
