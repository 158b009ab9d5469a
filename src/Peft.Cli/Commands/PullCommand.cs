namespace Peft.Cli;

/// <summary><c>peft pull</c></summary>
internal static class PullCommand
{
    public static Command Create(PeftTool tool)
    {
        var id = new Argument<string>("id") { Description = "Id of the repository, owner/name." };
        var revision = new Option<string>("--revision") { Description = "Branch, tag or commit.", HelpName = "name" };
        var adapter = new Option<bool>("--adapter") { Description = "Download an adapter; without it, a model." };
        return tool.Command("pull", "Downloads a model or an adapter from the hub into the cache that Python shares, and prints its folder.", [id, revision, adapter, HubFlags.Endpoint], context => context.InterruptibleAsync("What has been downloaded is kept: the same command continues.", async () =>
        {
            using var hub = new HubClient(HubFlags.Options(context));
            var folder = context.Get(adapter)
                ? await hub.DownloadAdapterAsync(context.Get(id)!, context.Get(revision), cancellationToken: context.Cancel).ConfigureAwait(false)
                : await hub.DownloadModelAsync(context.Get(id)!, context.Get(revision), cancellationToken: context.Cancel).ConfigureAwait(false);
            context.Result(new { Folder = folder }, console => context.Output.WriteLine(folder));
        }));
    }
}
