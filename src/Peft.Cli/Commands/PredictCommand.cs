namespace Peft.Cli;

/// <summary><c>peft predict</c></summary>
internal static class PredictCommand
{
    public static Command Create(PeftTool tool)
    {
        var (loaded, task) = (new LoadedModel(), TaskFlags.Choice());
        var texts = new Argument<string[]>("text") { Description = "The texts; the lines of the standard input if there is none.", Arity = ArgumentArity.ZeroOrMore };
        var batch = new Option<int>("--batch-size") { Description = "Texts of a batch.", HelpName = "int", DefaultValueFactory = _ => 32 };
        return tool.Command("predict", "Classifies texts, or finds their entities, with probabilities.", [texts, .. loaded.All, task, batch], async context =>
        {
            using var model = loaded.Open(context, task: task);
            var given = context.Get(texts) is { Length: > 0 } some ? some : (await context.Input.ReadToEndAsync(context.Cancel).ConfigureAwait(false)).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            if (given.Length == 0) throw new ToolException("There is no text: give texts as arguments, or as lines of the standard input.");
            using var inference = model.Peft?.ForInference();
            model.Task.Predict(context, model.Pretrained, model.Tokenizer, given, context.Get(batch));
        });
    }
}
