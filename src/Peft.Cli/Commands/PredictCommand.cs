using System.Text.Json.Nodes;

namespace Peft.Cli;

/// <summary><c>peft predict</c></summary>
internal static class PredictCommand
{
    public static Command Create(PeftTool tool)
    {
        var (loaded, task, data) = (new LoadedModel(), TaskFlags.Choice(), new DataFlags());
        var texts = new Argument<string[]>("text") { Description = "The texts. Without any, those of --data, or else the lines of the standard input.", Arity = ArgumentArity.ZeroOrMore };
        var pairs = new Option<string[]>("--pair") { Description = "The second text of a pair, once for each text.", HelpName = "text" };
        var batch = new Option<int>("--batch-size") { Description = "Texts of a batch.", HelpName = "int", DefaultValueFactory = _ => 32 };
        return tool.Command("predict", "Classifies texts, pairs of texts or rows, or finds their entities, with probabilities.", [texts, .. loaded.All, task, pairs, .. data.ForTexts, batch], async context =>
        {
            var (given, seconds) = (context.Get(texts) ?? [], context.Get(pairs) ?? []);
            if (data.IsGiven(context) && given.Length + seconds.Length > 0) throw new ToolException("Texts are those of --data or of the command line, not of both: leave out one of them.");
            var source = data.IsGiven(context) ? data.Rows(context) : null;
            using var model = loaded.Open(context, task: task);
            using var inference = model.Peft?.ForInference();
            model.Task.Predict(context, model.Pretrained, model.Tokenizer, source ?? await TextsAsync(context, given, seconds).ConfigureAwait(false), context.Get(batch));
        });
    }

    private static async Task<DataSource> TextsAsync(ToolContext context, string[] texts, string[] pairs)
    {
        if (texts.Length == 0) texts = (await context.Input.ReadToEndAsync(context.Cancel).ConfigureAwait(false)).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (texts.Length == 0) throw new ToolException("There is no text: give texts as arguments, as lines of the standard input, or as rows by --data.");
        if (pairs.Length > 0 && pairs.Length != texts.Length) throw new ToolException($"There are {texts.Length} texts, but {pairs.Length} second texts: give --pair once for each text.");
        return new("The command line", Dataset.Of(texts.Select((text, i) => pairs.Length == 0 ? new JsonObject { ["text"] = text } : new() { ["text"] = text, ["pair"] = pairs[i] }), "the command line"));
    }
}
