using System.Net;
using System.Text;
using Peft.Hub.Tests;

namespace Peft.Cli.Tests;

/// <summary>Uploads and downloads, to and from a hub on this machine.</summary>
public sealed class HubTests : IAsyncLifetime, IDisposable
{
    private const string HashOfConfig = "29728f547874b44dbc05e1617de6e72d2c271105";   // git's

    private readonly TemporaryFolder folder = new();
    private readonly HttpListener listener = new();
    private readonly UploadHub hub = new();
    private readonly Dictionary<string, string?> before = new() { ["HF_TOKEN"] = null, ["HF_HUB_CACHE"] = null };
    private Task serving = Task.CompletedTask;

    public Task InitializeAsync()
    {
        using (var probe = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0))
        {
            probe.Start();
            hub.Address = hub.Storage = $"http://127.0.0.1:{((IPEndPoint)probe.LocalEndpoint).Port}";
        }
        listener.Prefixes.Add(hub.Address + "/");
        listener.Start();
        serving = ServeAsync();
        foreach (var name in before.Keys) before[name] = Environment.GetEnvironmentVariable(name);
        Environment.SetEnvironmentVariable("HF_TOKEN", "secret");
        Environment.SetEnvironmentVariable("HF_HUB_CACHE", folder["cache"]);
        folder.Write("adapter/adapter_config.json", "{\"peft_type\": \"LORA\"}");
        folder.Write("adapter/adapter_model.safetensors", new byte[500]);
        folder.Write("adapter/checkpoints/checkpoint-1/trainer_state.json", "{}");
        return Task.CompletedTask;
    }

    public void Dispose() => ((IDisposable)listener).Dispose();

    public async Task DisposeAsync()
    {
        foreach (var (name, value) in before) Environment.SetEnvironmentVariable(name, value);
        listener.Stop();
        await serving;
        folder.Dispose();
    }

    [Fact]
    public async Task Push_uploads_an_adapter_without_its_checkpoints()
    {
        var result = await Tool.JsonAsync("push", folder["adapter"], "org/new", "--message", "First", "--endpoint", hub.Address);
        ((int)result["files"]!).ShouldBe(2);
        hub.Files.Keys.ShouldBe(["adapter_config.json", "adapter_model.safetensors"], ignoreOrder: true);
        hub.Message.ShouldBe("First");
    }

    [Fact]
    public async Task Pull_downloads_into_the_cache()
    {
        var bytes = Encoding.UTF8.GetBytes("{\"peft_type\": \"LORA\"}");
        hub.Fault = request => request switch
        {
            "GET /api/models/org/new/revision/main" => (200, "{\"sha\":\"0123456789abcdef0123456789abcdef01234567\",\"siblings\":[{\"rfilename\":\"adapter_config.json\",\"size\":" + bytes.Length + "}]}"),
            "HEAD /org/new/resolve/0123456789abcdef0123456789abcdef01234567/adapter_config.json" or "GET /org/new/resolve/0123456789abcdef0123456789abcdef01234567/adapter_config.json" => (200, Encoding.UTF8.GetString(bytes)),
            _ => null,
        };
        var result = await Tool.JsonAsync("pull", "org/new", "--adapter", "--endpoint", hub.Address);
        File.ReadAllBytes(Path.Combine((string)result["folder"]!, "adapter_config.json")).ShouldBe(bytes);
        ((string)result["folder"]!).ShouldStartWith(folder["cache"]);
    }

    [Fact]
    public async Task A_repository_that_is_not_there_is_refused()
    {
        var run = await Tool.RunAsync("pull", "org/none", "--endpoint", hub.Address);
        run.Code.ShouldBe(1);
        run.Error.ShouldContain("There is no repository 'org/none'");
    }

    [Fact]
    public async Task Push_shows_its_files_and_says_what_an_interruption_leaves()
    {
        (await Tool.RunAsync("push", folder["adapter"], "org/new", "--endpoint", hub.Address)).Error.ShouldContain("adapter_model.safetensors  500 B");
        hub.Stored.Clear();
        var run = await Tool.InteractAsync("", new("adapter_model.safetensors"), "push", folder["adapter"], "org/new", "--endpoint", hub.Address);
        run.Code.ShouldBe(130);
        run.Error.ShouldContain("Nothing was committed");
    }

    [Fact]
    public async Task Pull_says_that_the_hub_cannot_be_reached()
    {
        await Pull_downloads_into_the_cache();
        hub.Fault = _ => (503, "");
        var run = await Tool.RunAsync("pull", "org/new", "--adapter", "--endpoint", hub.Address);
        run.Code.ShouldBe(0);
        run.Error.ShouldContain("warning: org/new at main: using the cached commit 0123456789abcdef0123456789abcdef01234567");
    }

    private async Task ServeAsync()
    {
        while (listener.IsListening)
        {
            try
            {
                var context = await listener.GetContextAsync();
                using var body = new MemoryStream();
                await context.Request.InputStream.CopyToAsync(body);
                var (status, text, etag) = hub.Answer(context.Request.HttpMethod, context.Request.Url!, context.Request.Headers["Authorization"], body.ToArray());
                context.Response.StatusCode = status;
                context.Response.Headers["ETag"] = etag ?? $"\"{HashOfConfig}\"";
                context.Response.Headers["X-Repo-Commit"] = "0123456789abcdef0123456789abcdef01234567";
                var bytes = Encoding.UTF8.GetBytes(text);
                context.Response.ContentLength64 = bytes.Length;
                if (context.Request.HttpMethod != "HEAD") await context.Response.OutputStream.WriteAsync(bytes);
                context.Response.Close();
            }
            catch (Exception error) when (error is HttpListenerException or ObjectDisposedException)
            {
                return;
            }
        }
    }
}
