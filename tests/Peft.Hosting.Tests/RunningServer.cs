using System.ClientModel;
using System.ClientModel.Primitives;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenAI;
using Peft.Models;
using Peft.Server;

namespace Peft.Hosting.Tests;

/// <summary>examples/Server on a free port of this machine.</summary>
public sealed class RunningServer : IAsyncDisposable
{
    private readonly WebApplication app;

    private RunningServer(WebApplication app)
    {
        this.app = app;
        Http = new() { BaseAddress = new Uri(app.Urls.First()), Timeout = TimeSpan.FromMinutes(2) };
        Http.DefaultRequestHeaders.Authorization = new("Bearer", "admin");
    }

    public HttpClient Http { get; }

    public IServiceProvider Services => app.Services;

    public ContinuousBatcher Batcher => app.Services.GetRequiredService<ContinuousBatcher>();

    public static Task<RunningServer> StartAsync(Story story, params string[] more) => StartAsync(story, _ => { }, more);

    /// <summary>Starts a server whose options code changes.</summary>
    public static async Task<RunningServer> StartAsync(Story story, Action<PeftOptions> configure, params string[] more)
    {
        var app = ServerApp.Build(story.Settings(["--urls=http://127.0.0.1:0", "--Server:ApiKeys:0=key", "--Server:AdminKeys:0=admin", "--Server:RequestsPerMinute=100000", .. more]), builder =>
        {
            builder.Logging.ClearProviders();
            builder.Services.AddPeft(configure);
        });
        await app.StartAsync();
        return new(app);
    }

    /// <summary>OpenAI's own client.</summary>
    public OpenAIClient Client(string key = "key") => new(new ApiKeyCredential(key), new() { Endpoint = new Uri(Http.BaseAddress!, "v1"), RetryPolicy = new ClientRetryPolicy(0) });

    /// <summary>Sends a body, and returns the status and the answer.</summary>
    public async Task<(int Status, JsonNode Body)> PostAsync(string path, object body)
    {
        using var answer = await Http.PostAsJsonAsync(path, body);
        var text = await answer.Content.ReadAsStringAsync();
        return ((int)answer.StatusCode, text.StartsWith('{') ? JsonNode.Parse(text)! : JsonValue.Create(text));
    }

    /// <summary>Waits until no request runs.</summary>
    public async Task<bool> IdleAsync()
    {
        for (var i = 0; i < 2000 && Batcher.Statistics is { Running: > 0 } or { Waiting: > 0 }; i++) await Task.Delay(10);
        return Batcher.Statistics is { Running: 0, Waiting: 0 };
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await app.StopAsync();
        await app.DisposeAsync();
    }
}
