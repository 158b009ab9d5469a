using Microsoft.AspNetCore.WebUtilities;
using Peft.Hosting;
using Peft.Models;

namespace Peft.Server;

/// <summary>An error as OpenAI's API reports it.</summary>
internal sealed record ApiError(int Status, string Type, string Message, string? Code = null)
{
    /// <summary>The body of the answer.</summary>
    public object Body => new { error = new { message = Message, type = Type, code = Code } };

    /// <summary>The error of an exception. Messages of unknown ones stay in the log.</summary>
    public static ApiError Of(Exception error) => error switch
    {
        QueueFullException => new(429, "rate_limit_error", error.Message, "queue_full"),
        RequestTooLargeException => new(400, "invalid_request_error", error.Message, "context_length_exceeded"),
        AdapterNotFoundException => new(404, "invalid_request_error", error.Message, "model_not_found"),
        AdapterRefusedException => new(400, "invalid_request_error", error.Message, "adapter_refused"),
        BadHttpRequestException bad => new(bad.StatusCode, "invalid_request_error", error.InnerException?.Message ?? error.Message),
        PeftException or ArgumentException or NotSupportedException => new(400, "invalid_request_error", error.Message),
        ObjectDisposedException => new(503, "server_error", "The server stops."),
        _ => new(500, "server_error", "An internal error: see the server's log."),
    };

    /// <summary>Answers with the error of an exception.</summary>
    public static async Task HandleAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
            // No route, a body that is too large or of another type: a status alone.
            if (context.Response is { StatusCode: >= 400 and var status, HasStarted: false }) await WriteAsync(context, new(status, "invalid_request_error", $"{ReasonPhrases.GetReasonPhrase(status)}: {context.Request.Method} {context.Request.Path}."));
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client went away.
        }
        catch (Exception error) when (!context.Response.HasStarted)
        {
            var answer = Of(error);
            if (answer.Status >= 500) context.RequestServices.GetRequiredService<ILogger<ServerOptions>>().Failed(error, $"{context.Request.Method} {context.Request.Path}");
            await WriteAsync(context, answer);
        }
    }

    /// <summary>Answers with an error.</summary>
    public static Task WriteAsync(HttpContext context, ApiError error)
    {
        context.Response.StatusCode = error.Status;
        return context.Response.WriteAsJsonAsync(error.Body, ServerApp.Wire, context.RequestAborted);
    }
}
