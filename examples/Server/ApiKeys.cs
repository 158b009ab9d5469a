using System.Security.Cryptography;
using System.Text;

namespace Peft.Server;

/// <summary>Requests below <c>/v1</c> need a key, those that change adapters one of the administrator's.</summary>
internal sealed class ApiKeys(ServerOptions options)
{
    /// <summary>The key of a request.</summary>
    public static string? Of(HttpContext context)
        => context.Request.Headers.Authorization.ToString() is var text && text.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? text["Bearer ".Length..].Trim() : null;

    public Task CheckAsync(HttpContext context, RequestDelegate next)
    {
        var path = context.Request.Path;
        if (!path.StartsWithSegments("/v1")) return next(context);
        var key = Of(context);
        var isAdministrator = Contains(options.AdminKeys, key);
        if (options.ApiKeys.Count > 0 && !isAdministrator && !Contains(options.ApiKeys, key))
            return ApiError.WriteAsync(context, new(401, "invalid_request_error", "The API key is missing or wrong: send 'Authorization: Bearer KEY'.", "invalid_api_key"));
        if (path.Value!.Contains("lora_adapter", StringComparison.OrdinalIgnoreCase) && !isAdministrator)
            return ApiError.WriteAsync(context, new(403, "invalid_request_error", "Adapters are changed with a key of Server:AdminKeys.", "permission_denied"));
        return next(context);
    }

    // Hashes have the same length, so that the time tells nothing about a key.
    private static bool Contains(IEnumerable<string> keys, string? key)
        => key is not null && keys.Any(each => CryptographicOperations.FixedTimeEquals(Hash(each), Hash(key)));

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
