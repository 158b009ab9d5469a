using Microsoft.Extensions.AI;
using Peft.Models;

namespace Peft.Cli;

/// <summary><c>peft chat</c></summary>
internal static class ChatCommand
{
    private const string Help = """
          /adapter NAME   answer with this adapter; /adapter base for none
          /adapters       list the adapters
          /system TEXT    set the system message
          /reset          forget the conversation
          /exit           leave
        """;

    public static Command Create(PeftTool tool)
    {
        var (loaded, generation) = (new LoadedModel(), new GenerationFlags());
        var system = new Option<string>("--system") { Description = "The system message.", HelpName = "text" };
        var template = new Option<string>("--chat-template") { Description = "A Jinja file, for tokenizers without a chat template.", HelpName = "file" };
        return tool.Command("chat", "Talks with a model; /adapter NAME switches between its adapters. With --json, each answer is an object on one line.", [.. loaded.All, .. generation.All, system, template], async context =>
        {
            using var model = loaded.Open(context, several: true, template: template);
            if (model.Tokenizer.ChatTemplate is null) throw new ToolException("The tokenizer has no chat template: its model was not trained on conversations. Name one by --chat-template, or continue texts by `peft generate`.");
            using var client = model.Model.AsChatClient(model.Tokenizer, generation.Options(context));
            var conversation = new Conversation(context, client, model.Peft) { System = context.Get(system) };
            context.Note("Type a message, or /help.");
            while (true)
            {
                if (!context.Json) await context.Output.WriteAsync("> ").ConfigureAwait(false);
                await context.Output.FlushAsync(context.Cancel).ConfigureAwait(false);
                // The console's own asynchronous reading waits for the user all the same.
                if (await Task.Run(context.Input.ReadLine).WaitAsync(context.Cancel).ConfigureAwait(false) is not { } line || line.Trim() is "/exit" or "/quit") break;
                if (string.IsNullOrWhiteSpace(line)) continue;
                if (line.Trim() == "/help") context.Note(Help);
                else if (line.StartsWith('/')) conversation.Obey(line.Trim());
                else await conversation.AnswerAsync(line).ConfigureAwait(false);
            }
        });
    }
}
