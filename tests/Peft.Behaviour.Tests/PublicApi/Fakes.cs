using System.Linq.Expressions;
using System.Net;
using System.Reflection;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests.PublicApi;

/// <summary>Refuses to be reached.</summary>
internal sealed class NoNetwork : HttpMessageHandler
{
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        => Task.FromResult(new HttpResponseMessage(HttpStatusCode.NotFound) { RequestMessage = request });
}

internal sealed class SameScores : ILogitsProcessor
{
    public Tensor Process(LogitsContext context, Tensor scores) => scores;
}

/// <summary>Functions of any type.</summary>
internal static class Functions
{
    /// <summary>A function that returns what is given, or its type's default.</summary>
    public static Delegate Returning(Type type, object? result)
    {
        var invoke = type.GetMethod("Invoke")!;
        var parameters = invoke.GetParameters().Select(parameter => Expression.Parameter(parameter.ParameterType)).ToArray();
        Expression body = invoke.ReturnType == typeof(void) ? Expression.Empty()
            : result is null ? Expression.Default(invoke.ReturnType) : Expression.Constant(result, invoke.ReturnType);
        return Expression.Lambda(type, body, parameters).Compile();
    }

    public static bool IsFunction(Type type) => typeof(Delegate).IsAssignableFrom(type) && type != typeof(Delegate) && type != typeof(MulticastDelegate) && type.GetMethod("Invoke", BindingFlags.Public | BindingFlags.Instance) is not null;
}
