using System.Runtime.CompilerServices;

namespace Peft.Tokenizers.Jinja;

/// <summary>A rendering, with its clock and the resources that it has used.</summary>
internal sealed class RenderRun(ResourceLimits limits, TimeProvider clock, CancellationToken cancellationToken)
{
    private const string Where = $"{nameof(ChatTemplateOptions)}.{nameof(ChatTemplateOptions.Limits)}";

    // Memory of a dict item: its entries in the item list and the hash table, and its key.
    private const int ItemBytes = 32;
    private const int CharactersPerStep = 128;
    private const int ComparedAtOnce = 64;

    private long steps;
    private long looked;
    private long bytes;
    private int depth;

    public TimeProvider Clock => clock;

    /// <summary>The line that is being executed.</summary>
    public int Line { get; private set; } = 1;

    /// <summary>Spans of the generation blocks in the output.</summary>
    public List<(int Start, int End)> Generated { get; } = [];

    /// <summary>Line of a generation block whose position in the output is unknown.</summary>
    public int? GenerationInCapture { get; set; }

    public void Step(int line)
    {
        Line = line;
        Step();
    }

    public void Step()
    {
        Count(1);
        RuntimeHelpers.EnsureSufficientExecutionStack();
    }

    /// <summary>Counts characters or items that are about to be read. Each costs less than a step.</summary>
    public void Look(long count)
    {
        looked += count;
        if (looked < CharactersPerStep) return;
        Count(looked / CharactersPerStep);
        looked %= CharactersPerStep;
    }

    /// <summary>Counts reading the characters of a string or the items of a collection.</summary>
    public void Look(object? value) => Look(value switch
    {
        string text => text.Length,
        PySequence sequence => sequence.Count,
        PyDict dict => dict.Count,
        PyDictView view => view.Count,
        _ => 0,
    });

    /// <summary>Counts a text search. If the beginning of the part occurs often, the whole part is compared often.</summary>
    public void Search(string text, string part) => Look((long)text.Length * (1 + part.Length / ComparedAtOnce));

    /// <summary>Counts characters that are about to be allocated.</summary>
    public void Charge(long characters) => ChargeBytes(characters, sizeof(char));

    /// <summary>Counts items of lists or dicts that are about to be allocated.</summary>
    public void ChargeItems(long items) => ChargeBytes(items, ItemBytes);

    /// <summary>Counts a string that has been allocated.</summary>
    public string Made(string text)
    {
        Charge(text.Length);
        return text;
    }

    /// <summary>Counts a nested call until it is disposed.</summary>
    public IDisposable Deeper()
    {
        if (++depth > limits.MaxTemplateDepth)
            throw new ChatTemplateException($"Macro calls are nested too deeply. {limits.Remedy(nameof(ResourceLimits.MaxTemplateDepth), Where)}");
        return new Depth(this);
    }

    /// <summary>Formats a value as Python's <c>str</c> does.</summary>
    public string Text(object? value) => value is string text ? text : Printer.Print(this, value);

    /// <summary>Enumerates the items of a value as Python does.</summary>
    public IEnumerable<object?> Iterate(object? value)
    {
        Look(value is PyDict or PyDictView ? value : null);   // their items are copied
        using var items = Iteration.Of(value).GetEnumerator();
        while (true)
        {
            // Counted before advancing, because a generator may iterate over another one, thousands of levels deep.
            Step();
            if (!items.MoveNext()) yield break;
            yield return items.Current;
        }
    }

    /// <summary>The items of a value, as a list.</summary>
    public List<object?> Items(object? value)
    {
        var items = new List<object?>();
        foreach (var item in Iterate(value))
        {
            ChargeItems(1);
            items.Add(item);
        }
        return items;
    }

    private void Count(long more)
    {
        if (more > limits.MaxTemplateSteps - steps)
            throw new ChatTemplateException($"The template was stopped: it took too many steps. It may not terminate, or the conversation is very long. {limits.Remedy(nameof(ResourceLimits.MaxTemplateSteps), Where)}");
        // Checked often enough: a step takes less than a microsecond.
        if (steps >> 10 != (steps += more) >> 10) cancellationToken.ThrowIfCancellationRequested();
    }

    private void ChargeBytes(long count, int size)
    {
        // Larger objects are impossible, and the product could overflow.
        if (count > int.MaxValue / 4 || count * size > limits.MaxTemplateMemory - bytes)
            throw new ChatTemplateException($"The template was stopped: it allocated too much text or too many items. {limits.Remedy(nameof(ResourceLimits.MaxTemplateMemory), Where)}");
        bytes += count * size;
    }

    private sealed class Depth(RenderRun run) : IDisposable
    {
        public void Dispose() => run.depth--;
    }
}
