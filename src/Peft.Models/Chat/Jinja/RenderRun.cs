using System.Runtime.CompilerServices;

namespace Peft.Models.Jinja;

/// <summary>One rendering: its clock, and how much it has done of what it may.</summary>
internal sealed class RenderRun(ResourceLimits limits, TimeProvider clock, CancellationToken cancellation)
{
    const string Where = $"{nameof(ChatTemplateOptions)}.{nameof(ChatTemplateOptions.Limits)}";

    // A dict's item: its place among the items and in the table of hashes, with a key of its own.
    const int ItemBytes = 32;
    const int CharactersPerStep = 128;
    const int ComparedAtOnce = 64;

    long steps;
    long looked;
    long bytes;
    int depth;

    public TimeProvider Clock => clock;

    /// <summary>The line that is being carried out.</summary>
    public int Line { get; private set; } = 1;

    /// <summary>Where generation blocks lie in the output.</summary>
    public List<(int Start, int End)> Generated { get; } = [];

    /// <summary>Line of a generation block whose place in the output is not known.</summary>
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

    /// <summary>Counts characters or items that are about to be looked at, which is faster than to evaluate an expression for each.</summary>
    public void Look(long count)
    {
        looked += count;
        if (looked < CharactersPerStep) return;
        Count(looked / CharactersPerStep);
        looked %= CharactersPerStep;
    }

    /// <summary>Counts what looking through a value's text or items takes; nothing for other values.</summary>
    public void Look(object? value) => Look(value switch
    {
        string text => text.Length,
        PySequence sequence => sequence.Count,
        PyDict dict => dict.Count,
        PyDictView view => view.Count,
        _ => 0,
    });

    /// <summary>Counts a search for a text: where its beginning is found often, all of it is compared often.</summary>
    public void Search(string text, string part) => Look((long)text.Length * (1 + part.Length / ComparedAtOnce));

    /// <summary>Counts characters that are about to be made.</summary>
    public void Charge(long characters) => ChargeBytes(characters, sizeof(char));

    /// <summary>Counts items of lists or dicts that are about to be made.</summary>
    public void ChargeItems(long items) => ChargeBytes(items, ItemBytes);

    /// <summary>Counts a text that was made.</summary>
    public string Made(string text)
    {
        Charge(text.Length);
        return text;
    }

    /// <summary>Counts a call within a call until it is disposed.</summary>
    public IDisposable Deeper()
    {
        if (++depth > limits.MaxTemplateDepth)
            throw new ChatTemplateException($"Macros call each other too deeply. {limits.Remedy(nameof(ResourceLimits.MaxTemplateDepth), Where)}");
        return new Depth(this);
    }

    /// <summary>A value as Python's <c>str</c> shows it.</summary>
    public string Text(object? value) => value is string text ? text : Printer.Print(this, value);

    /// <summary>The items of a value, as Python goes through it.</summary>
    public IEnumerable<object?> Iterate(object? value)
    {
        Look(value is PyDict or PyDictView ? value : null);   // these are copied
        using var items = Iteration.Of(value).GetEnumerator();
        while (true)
        {
            // Before it moves: what generators go through may be a generator in turn, thousands of times.
            Step();
            if (!items.MoveNext()) yield break;
            yield return items.Current;
        }
    }

    /// <summary>The items of a value in a list.</summary>
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

    void Count(long more)
    {
        if (more > limits.MaxTemplateSteps - steps)
            throw new ChatTemplateException($"The template was stopped: it takes too many steps, because it does not end or the conversation is very long. {limits.Remedy(nameof(ResourceLimits.MaxTemplateSteps), Where)}");
        // Often enough: each step takes less than a millionth of a second.
        if (steps >> 10 != (steps += more) >> 10) cancellation.ThrowIfCancellationRequested();
    }

    void ChargeBytes(long count, int size)
    {
        // No string can be longer, and the product could not be told.
        if (count > int.MaxValue / 4 || count * size > limits.MaxTemplateMemory - bytes)
            throw new ChatTemplateException($"The template was stopped: it makes too much text or too many items. {limits.Remedy(nameof(ResourceLimits.MaxTemplateMemory), Where)}");
        bytes += count * size;
    }

    sealed class Depth(RenderRun run) : IDisposable
    {
        public void Dispose() => run.depth--;
    }
}
