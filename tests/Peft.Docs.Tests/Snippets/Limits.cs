using Microsoft.Extensions.AI;
using Peft.Models;

namespace Peft.Docs.Tests.Snippets;

public class Limits : InFolder
{
    [Fact]
    public void Raised_and_lowered()
    {
        using var output = new StringWriter();
        var before = Console.Out;
        Console.SetOut(output);
        try
        {
            Run(CancellationToken.None);
        }
        finally
        {
            Console.SetOut(before);
        }
        output.ToString().ShouldContain("The limit ResourceLimits.MaxTemplateSteps is 10: raise it in ChatTemplateOptions.Limits if you trust the file.");
    }

    private static void Run(CancellationToken cancellationToken)
    {
        ChatTemplate template = ChatTemplate.Parse("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}");
        ChatMessage[] messages = [new(ChatRole.User, "Hi"), new(ChatRole.Assistant, "Hello!")];
        // snippet: limits
        var trusting = new ResourceLimits { MaxLayers = 4096, MaxTemplateSteps = 100_000_000 };
        using var model = CausalLM.FromPretrained("models/stories260K", new LoadOptions { Limits = trusting });
        var tokenizer = Tokenizer.FromPretrained("models/stories260K", new LoadOptions { Limits = trusting });   // and its chat template

        var strict = new ResourceLimits { MaxTemplateSteps = 10 };
        try
        {
            template.Render(messages, new() { Limits = strict }, cancellationToken);   // for this rendering alone
        }
        catch (ChatTemplateException error)
        {
            Console.WriteLine(error.Message);   // … The limit ResourceLimits.MaxTemplateSteps is 10: raise it in ChatTemplateOptions.Limits if you trust the file.
        }
        // end
        tokenizer.VocabularySize.ShouldBeGreaterThan(0);
    }
}
