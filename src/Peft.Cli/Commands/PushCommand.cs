namespace Peft.Cli;

/// <summary><c>peft push</c></summary>
internal static class PushCommand
{
    public static Command Create(PeftTool tool)
    {
        var folder = new Argument<string>("folder") { Description = "The folder of an adapter or a model." };
        var id = new Argument<string>("id") { Description = "Id of the repository, owner/name; it is made if it does not exist." };
        var revision = new Option<string>("--revision") { Description = "The branch (main).", HelpName = "name" };
        var message = new Option<string>("--message") { Description = "Message of the commit.", HelpName = "text" };
        var secret = new Option<bool>("--private") { Description = "Make a new repository private." };
        return tool.Command("push", "Uploads an adapter or a model to the hub, without checkpoints. The token is that of HF_TOKEN or of `hf auth login`.", [folder, id, revision, message, secret, HubFlags.Endpoint], context => context.InterruptibleAsync("Nothing was committed, and the same command does not send finished files again.", async () =>
        {
            using var hub = new HubClient(HubFlags.Options(context));
            var commit = await hub.UploadFolderAsync(context.Get(id)!, context.Get(folder)!, new() { Revision = context.Get(revision), Message = context.Get(message), IsPrivate = context.Get(secret) },
                file => !file.StartsWith("checkpoints/", StringComparison.Ordinal), context.Cancel).ConfigureAwait(false);
            context.Result(new { Repository = context.Get(id), commit.Commit, commit.Url, commit.Files, commit.Bytes },
                console => console.Fields(("repository", context.Get(id)), ("commit", commit.Url ?? commit.Commit), ("files", commit.Files), ("uploaded", Show.Bytes(commit.Bytes))));
        }));
    }
}
