using System.Text.Json;
using System.Text.Json.Serialization;
using System.Threading.RateLimiting;
using OpenTelemetry.Metrics;
using Peft.Hosting;

namespace Peft.Server;

/// <summary>The program: services, middleware and routes.</summary>
public static class ServerApp
{
    /// <summary>Builds the server. The configuration comes from <c>appsettings.json</c> beside the program, environment variables and arguments.</summary>
    public static WebApplication Build(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
        configure?.Invoke(builder);
        var options = builder.Configuration.GetSection("Server").Get<ServerOptions>() ?? new();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = options.MaxRequestBytes);
        builder.Services.AddPeft();
        builder.Services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
        builder.Services.ConfigureHttpJsonOptions(json => Json(json.SerializerOptions));
        builder.Services.AddOpenTelemetry().WithMetrics(metrics => metrics.AddMeter(PeftTelemetry.ClientSource, PeftTelemetry.ServingMeter, "Microsoft.AspNetCore.Hosting").AddPrometheusExporter());
        builder.Services.AddRateLimiter(limiter =>
        {
            limiter.GlobalLimiter = PartitionedRateLimiter.Create<HttpContext, string>(context => context.Request.Path.StartsWithSegments("/v1")
                ? RateLimitPartition.GetFixedWindowLimiter((options.ApiKeys.Count > 0 ? ApiKeys.Of(context) : null) ?? $"{context.Connection.RemoteIpAddress}", _ => new() { PermitLimit = options.RequestsPerMinute, Window = TimeSpan.FromMinutes(1) })
                : RateLimitPartition.GetNoLimiter(""));
            limiter.OnRejected = (context, _) => new(ApiError.WriteAsync(context.HttpContext, new(429, "rate_limit_error", $"More than {options.RequestsPerMinute} requests in a minute: try again later.", "rate_limit_exceeded")));
        });
        var app = builder.Build();
        app.Use(ApiError.HandleAsync);
        app.Use(new ApiKeys(options).CheckAsync);
        app.UseRateLimiter();
        app.MapHealthChecks("/health");
        app.MapPrometheusScrapingEndpoint("/metrics");
        var api = app.MapGroup("/v1");
        api.MapGet("/models", ModelEndpoints.List);
        api.MapGet("/models/{model}", ModelEndpoints.Get);
        api.MapPost("/load_lora_adapter", ModelEndpoints.LoadAsync);
        api.MapPost("/unload_lora_adapter", ModelEndpoints.Unload);
        api.MapPost("/chat/completions", ChatEndpoint.AnswerAsync);
        api.MapPost("/completions", CompletionEndpoint.AnswerAsync);
        api.MapPost("/embeddings", EmbeddingEndpoint.AnswerAsync);
        return app;
    }

    internal static readonly JsonSerializerOptions Wire = Json(new(JsonSerializerDefaults.Web));

    // OpenAI's form.
    private static JsonSerializerOptions Json(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
        options.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
        return options;
    }
}
