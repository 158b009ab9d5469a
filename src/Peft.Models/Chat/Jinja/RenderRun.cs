using System.Runtime.CompilerServices;

namespace Peft.Models.Jinja;

/// <summary>One rendering: its clock, and how much it has done of what it may.</summary>
internal sealed class RenderRun(ChatTemplateLimits limits, TimeProvider clock)
{
    long steps;
    long characters;
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
        if (++steps > limits.MaxSteps)
            throw new ChatTemplateException($"The template was stopped after {limits.MaxSteps:N0} steps: it does not end, or the conversation is very long ({nameof(ChatTemplateLimits)}.{nameof(ChatTemplateLimits.MaxSteps)}).");
        RuntimeHelpers.EnsureSufficientExecutionStack();
    }

    /// <summary>Counts characters or items that are about to be made.</summary>
    public void Charge(long count)
    {
        characters += count;
        if (characters > limits.MaxCharacters || count > int.MaxValue / 4)
            throw new ChatTemplateException($"The template was stopped: it makes more than {limits.MaxCharacters:N0} characters ({nameof(ChatTemplateLimits)}.{nameof(ChatTemplateLimits.MaxCharacters)}).");
    }

    /// <summary>Counts a text that was made.</summary>
    public string Made(string text)
    {
        Charge(text.Length);
        return text;
    }

    /// <summary>Counts a call within a call until it is disposed.</summary>
    public IDisposable Deeper()
    {
        if (++depth > limits.MaxDepth)
            throw new ChatTemplateException($"Macros call each other more than {limits.MaxDepth} deep ({nameof(ChatTemplateLimits)}.{nameof(ChatTemplateLimits.MaxDepth)}).");
        return new Depth(this);
    }

    /// <summary>A value as Python's <c>str</c> shows it.</summary>
    public string Text(object? value) => value is string text ? text : Printer.Print(this, value);

    /// <summary>The items of a value, as Python goes through it.</summary>
    public IEnumerable<object?> Iterate(object? value)
    {
        foreach (var item in Iteration.Of(value))
        {
            Step();
            yield return item;
        }
    }

    /// <summary>The items of a value in a list.</summary>
    public List<object?> Items(object? value)
    {
        var items = new List<object?>();
        foreach (var item in Iterate(value)) items.Add(item);
        Charge(items.Count);
        return items;
    }

    sealed class Depth(RenderRun run) : IDisposable
    {
        public void Dispose() => run.depth--;
    }
}
