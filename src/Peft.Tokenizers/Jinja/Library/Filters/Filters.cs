namespace Peft.Tokenizers.Jinja;

/// <summary>All filters by name.</summary>
internal static class Filters
{
    private static readonly Dictionary<string, Filter> All = TextFilters.All.Concat(NumberFilters.All).Concat(ItemFilters.All).Concat(ChoosingFilters.All)
        .ToDictionary(pair => pair.Key, pair => pair.Value);

    public static bool Exists(string name) => All.ContainsKey(name);

    public static object? Apply(Frame frame, string name, object? value, Arguments arguments)
    {
        if (!All.TryGetValue(name, out var filter)) throw new ChatTemplateException($"There is no filter named '{Excerpt.Of(name)}'.");
        frame.Run.Look(value);
        var result = filter(frame, value, arguments);
        return result is string text ? frame.Run.Made(text) : result;
    }
}
