using Peft.Models;

namespace Peft.Cli;

/// <summary>The options of generation.</summary>
internal sealed class GenerationFlags
{
    private readonly Option<int> maxNewTokens = new("--max-new-tokens", "-n") { Description = "Most new tokens.", HelpName = "int", DefaultValueFactory = _ => 256 };
    private readonly Option<double?> temperature = new("--temperature", "-t") { Description = "Temperature of sampling; 0 takes the most likely token.", HelpName = "number" };
    private readonly Option<double?> topP = new("--top-p") { Description = "Sample from the most likely tokens up to this total probability.", HelpName = "0…1" };
    private readonly Option<int?> topK = new("--top-k") { Description = "Sample from this many of the most likely tokens.", HelpName = "int" };
    private readonly Option<long?> seed = new("--seed") { Description = "Seed of sampling; a different text each time without one.", HelpName = "int" };
    private readonly Option<string[]> stop = new("--stop") { Description = "Text that ends the generation.", HelpName = "text" };
    private readonly Option<string[]> settings = new("--generation") { Description = "Any other setting of GenerationOptions: --generation NumBeams=4.", HelpName = "name=value" };

    public IEnumerable<Option> All => [maxNewTokens, temperature, topP, topK, seed, stop, settings];

    public GenerationOptions Options(ToolContext context)
    {
        var warm = context.Get(temperature);
        var options = new GenerationOptions { MaxNewTokens = context.Get(maxNewTokens) };
        if (warm == 0) options = options with { DoSample = false };
        else if (warm is not null || context.Has(topP) || context.Has(topK) || context.Has(seed)) options = options with { DoSample = true, Temperature = warm, TopP = context.Get(topP), TopK = context.Get(topK) };
        if (context.Get(seed) is { } number) options = options with { Seed = number };
        if (context.Get(stop) is { Length: > 0 } texts) options = options with { StopStrings = texts };
        return Settings.Apply(options, Settings.Split(context.Get(settings), "--generation"), "--generation");
    }
}
