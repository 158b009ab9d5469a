using System.Linq.Expressions;
using System.Net;
using System.Reflection;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests.PublicApi;

/// <summary>Characters as tokens.</summary>
internal sealed class CharacterTokenizer : ITokenizer
{
    public int? BeginOfSequenceId => 1;

    public int? EndOfSequenceId => 2;

    public int? PadId => 0;

    public IReadOnlyList<int> Encode(string text, bool addSpecialTokens = true) => [.. text.Select(letter => 3 + letter % (SmallModel.Vocabulary - 3))];

    public string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true) => string.Concat(ids.Select(id => (char)('a' + id % 26)));
}

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
