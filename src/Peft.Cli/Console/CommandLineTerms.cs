using System.Text.RegularExpressions;

namespace Peft.Cli;

/// <summary>Says what messages of the library advise in terms of the command line: a setting is the option that sets it, a call is the command that does the same.</summary>
internal static class CommandLineTerms
{
    // What no option has the name of.
    private static readonly (string Pattern, string Term)[] Calls =
    [
        (@", and save the model \(SavePretrained\)", ""),
        (@"\bMergeAndUnload\b", "`peft merge`"),
        (@"\bSavePretrained\b", "`peft merge`"),
        (@"\bSaveAsPlainLora\b", "`peft convert --to lora`"),
        (@"\bSaveAdapter\b", "`peft export --format adapter`"),
        (@" or HubOptions\.(Token|CacheFolder)\b", ""),
        (@"\bHubOptions\.Offline\b", "--offline"),
        (@"\bSet Tokenizer\.ChatTemplate to add one", "Name one by --chat-template"),
        (@"\bset DoSample to false", "pass --temperature 0"),
        (@"\ba RunRecorder or TrainingOptions\.JsonLogFile writes it", "the training commands write it"),
        (@"\bthe trainer's Evaluation dataset, which is not set", "rows to evaluate on: name them by --eval-data, --eval-split or --eval-share"),
        (@"\bthe trainer's Evaluation dataset is not set", "no rows to evaluate on are named by --eval-data, --eval-split or --eval-share"),
        (@"\bCombinationOptions: ", ""),
        (@"\bKind (?=\w+ needs)", "--kind "),
        (@"\bneeds a Density\b", "needs --density"),
        (@"\bRank applies to the Svd kinds only, but Kind is\b", "--rank applies to the svd kinds only, but --kind is"),
        (@"\bUse Cat or an Svd kind\b", "Use --kind cat or an svd kind"),
    ];

    // Options whose name is another than that of the setting.
    private static readonly Dictionary<string, string[]> Others = new()
    {
        ["--targets"] = ["TargetModules"],
        ["--batch-size"] = ["EvaluationBatchSize"],
        ["--block-size"] = ["blockSize"],
    };

    /// <summary>A message of the library, for a user of the command line.</summary>
    /// <param name="message">The message.</param>
    /// <param name="options">The options of the command.</param>
    public static string Translate(string message, IEnumerable<Option> options)
    {
        foreach (var option in options)
            foreach (var name in Names(option)) message = Replace(message, name, option.Name);
        return Calls.Aggregate(message, (text, call) => Regex.Replace(text, call.Pattern, call.Term));
    }

    // --max-new-tokens sets MaxNewTokens.
    private static IEnumerable<string> Names(Option option)
        => [string.Concat(option.Name.TrimStart('-').Split('-').Select(part => char.ToUpperInvariant(part[0]) + part[1..])), .. RunFlags.SettingsOf(option.Name), .. Others.GetValueOrDefault(option.Name) ?? []];

    // A name of one word may also be a word of the sentence: only its rule is meant for sure.
    private static string Replace(string message, string name, string option)
        => Regex.Replace(message, name.Skip(1).Any(char.IsUpper) ? $@"(?<![\w.'""/\\=-])(\w+Options\.)?{name}(?![\w'""/\\=-]|\.\w)" : $@"(?<![\w.'""/\\=-])(\w+Options\.{name}(?![\w'""/\\=-]|\.\w)|{name}(?= must ))", option);
}
