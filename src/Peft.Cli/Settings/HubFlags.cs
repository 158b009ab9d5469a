namespace Peft.Cli;

/// <summary>Options of the hub.</summary>
internal static class HubFlags
{
    public static Option<string> Endpoint { get; } = new("--endpoint") { Description = "Address of the hub (HF_ENDPOINT, or https://huggingface.co).", HelpName = "url" };

    /// <summary>Options that show downloads and uploads, retries, and cached files that are used because the hub cannot be reached.</summary>
    public static HubOptions Options(ToolContext context) => new() { Endpoint = context.Get(Endpoint), Progress = new HubProgressLines(context), Logger = new TextLogger(context) };
}
