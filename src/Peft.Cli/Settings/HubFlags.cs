namespace Peft.Cli;

/// <summary>Options of the hub.</summary>
internal static class HubFlags
{
    public static Option<string> Endpoint { get; } = new("--endpoint") { Description = "Address of the hub (HF_ENDPOINT, or https://huggingface.co).", HelpName = "url" };

    public static HubOptions Options(ToolContext context) => new() { Endpoint = context.Get(Endpoint) };
}
