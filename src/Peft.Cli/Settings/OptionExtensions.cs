namespace Peft.Cli;

/// <summary>Rules of options.</summary>
internal static class OptionExtensions
{
    /// <summary>Restricts an option to the named values.</summary>
    public static Option<string> AcceptOnly(this Option<string> option, params string[] values)
    {
        option.AcceptOnlyFromAmong(values);
        return option;
    }

    /// <summary>Offers values to complete.</summary>
    public static Option<T> Suggest<T>(this Option<T> option, Func<IEnumerable<string>> values)
    {
        option.CompletionSources.Add(_ => values().Select(value => new System.CommandLine.Completions.CompletionItem(value)));
        return option;
    }
}
