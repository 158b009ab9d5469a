using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Peft.Cli;

/// <summary>The conversation of <c>peft chat</c>.</summary>
internal sealed class Conversation(ToolContext context, IChatClient client, PeftModel? peft)
{
    private readonly List<ChatMessage> messages = [];
    private string? adapter;

    /// <summary>The system message.</summary>
    public string? System { get; set; }

    /// <summary>Answers a message, streaming. An interrupted answer ends the command.</summary>
    public async Task AnswerAsync(string text)
    {
        messages.Add(new(ChatRole.User, text));
        IEnumerable<ChatMessage> all = System is null ? messages : messages.Prepend(new(ChatRole.System, System));
        var answer = new global::System.Text.StringBuilder();
        await foreach (var update in client.GetStreamingResponseAsync(all, new() { ModelId = adapter }, context.Cancel).ConfigureAwait(false))
        {
            answer.Append(update.Text);
            if (context.Json) continue;
            await context.Output.WriteAsync(update.Text).ConfigureAwait(false);
            await context.Output.FlushAsync(context.Cancel).ConfigureAwait(false);
        }
        messages.Add(new(ChatRole.Assistant, answer.ToString()));
        await context.Output.WriteLineAsync(context.Json ? JsonSerializer.Serialize(new { role = "assistant", content = answer.ToString(), adapter }) : "").ConfigureAwait(false);
    }

    /// <summary>Executes a command that begins with a slash.</summary>
    public void Obey(string line)
    {
        var (command, rest) = line.Split(' ', 2) is [var first, var second] ? (first, second.Trim()) : (line, "");
        switch (command)
        {
            case "/adapter":
                Switch(rest);
                break;
            case "/adapters":
                context.Note(peft is null ? "The model has no adapters." : string.Join('\n', peft.Adapters.Values.Select(each => $"{(each.Name == (adapter ?? peft.Active[0]) ? "*" : " ")} {each.Name}  {each.Options.PeftType}")));
                break;
            case "/system":
                System = rest.Length > 0 ? rest : null;
                context.Note(System is null ? "There is no system message now." : "The system message is set.");
                break;
            case "/reset":
                messages.Clear();
                context.Note("The conversation is forgotten.");
                break;
            default:
                context.Note($"There is no command {command}: /help lists them.");
                break;
        }
    }

    private void Switch(string name)
    {
        if (name is "base" or "none") adapter = peft is null ? null : PeftModel.Base;
        else if (peft?.Adapters.ContainsKey(name) == true) adapter = name;
        else
        {
            context.Note(peft is null ? "The model has no adapters: load some by --adapter." : $"There is no adapter '{name}'. Adapters: {string.Join(", ", peft.Adapters.Keys)}, base.");
            return;
        }
        context.Note(adapter is null or PeftModel.Base ? "Answers come from the base model now." : $"Answers come from '{adapter}' now.");
    }
}
