using System.Globalization;

namespace Peft.Cli;

/// <summary>Rules of options.</summary>
internal static class OptionExtensions
{
    /// <summary>Restricts an option to the named values.</summary>
    public static Option<string> AcceptOnly(this Option<string> option, params string[] values)
    {
        option.HelpName ??= string.Join('|', values);
        option.Validators.Add(result =>
        {
            if (result.Tokens.FirstOrDefault(token => !values.Contains(token.Value)) is { } wrong) result.AddError($"{option.Name} must be {string.Join(", ", values[..^1])} or {values[^1]}, but was '{wrong.Value}'.");
        });
        return option.Suggest(() => values);
    }

    /// <summary>Says in a sentence what is wrong with a value that is no number, for options of numbers.</summary>
    public static void ExplainNumbers(this Option option)
    {
        switch (option)
        {
            case Option<int> whole: Explain(whole); break;
            case Option<int?> whole: Explain(whole); break;
            case Option<long> whole: Explain(whole); break;
            case Option<long?> whole: Explain(whole); break;
            case Option<double> number: Explain(number); break;
            case Option<double?> number: Explain(number); break;
            default: break;
        }
    }

    private static void Explain<T>(Option<T> option)
    {
        var type = Nullable.GetUnderlyingType(typeof(T)) ?? typeof(T);
        option.CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            try
            {
                return (T)Convert.ChangeType(text, type, CultureInfo.InvariantCulture);
            }
            catch (Exception error) when (error is FormatException or OverflowException)
            {
                result.AddError($"{option.Name} must be {(type == typeof(double) ? "a number" : "a whole number")}, but was '{text}'.");
                return default;
            }
        };
    }

    /// <summary>Offers values to complete.</summary>
    public static Option<T> Suggest<T>(this Option<T> option, Func<IEnumerable<string>> values)
    {
        option.CompletionSources.Add(_ => values().Select(value => new System.CommandLine.Completions.CompletionItem(value)));
        return option;
    }
}
