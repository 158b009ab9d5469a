namespace Peft.Hub.Tests;

/// <summary>A request as the server saw it.</summary>
public sealed record FakeRequest(string Method, Uri Address, string? Token, long? From)
{
    public override string ToString() => $"{Method} {Address.AbsoluteUri}";
}

/// <summary>What the server answers.</summary>
public sealed record FakeReply(int Status, byte[] Body)
{
    public Dictionary<string, string> Headers { get; init; } = [];

    /// <summary>After how many bytes of the body the connection is cut.</summary>
    public int? CutAfter { get; init; }

    /// <summary>Whether the body stops coming there instead.</summary>
    public bool FallsSilent { get; init; }

    public static FakeReply Error(int status, params (string Name, string Value)[] headers) => new(status, []) { Headers = headers.ToDictionary() };
}
