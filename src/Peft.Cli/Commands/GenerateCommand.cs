using Peft.Models;

namespace Peft.Cli;

/// <summary><c>peft generate</c></summary>
internal static class GenerateCommand
{
    public static Command Create(PeftTool tool)
    {
        var (loaded, generation) = (new LoadedModel(), new GenerationFlags());
        var prompts = new Argument<string[]>("prompt") { Description = "The texts to continue; the standard input if there is none.", Arity = ArgumentArity.ZeroOrMore };
        return tool.Command("generate", "Continues texts.", [prompts, .. loaded.All, .. generation.All], async context =>
        {
            using var model = loaded.Open(context);
            var options = generation.Options(context);
            string[] texts = context.Get(prompts) is { Length: > 0 } given ? given : [(await context.Input.ReadToEndAsync(context.Cancel).ConfigureAwait(false)).TrimEnd('\n', '\r')];
            using var inference = model.Peft?.ForInference();
            var results = new List<object>();
            foreach (var prompt in texts)
            {
                var text = new System.Text.StringBuilder();
                var before = prompt;   // written with the first piece: options that are invalid end the command before
                foreach (var piece in Pieces(model, prompt, options, context.Cancel))
                {
                    text.Append(piece);
                    if (context.Json) continue;
                    await context.Output.WriteAsync(before + piece).ConfigureAwait(false);
                    before = "";
                    await context.Output.FlushAsync(context.Cancel).ConfigureAwait(false);
                }
                if (!context.Json) await context.Output.WriteLineAsync(before).ConfigureAwait(false);
                results.Add(new { Prompt = prompt, Text = text.ToString() });
            }
            if (context.Json) context.Result(results, _ => { });
        });
    }

    // A beam search cannot be streamed.
    private static IEnumerable<string> Pieces(LoadedModel model, string prompt, GenerationOptions options, CancellationToken cancel)
        => options.NumBeams > 1 ? [model.Model.Generate(prompt, model.Tokenizer, options, cancel)] : model.Model.GenerateText(prompt, model.Tokenizer, options, cancel);
}
