namespace Peft.Conformance.Tests;

/// <summary>What this version does not compute yet, by method, architecture or option; never by case.</summary>
public static class Unsupported
{
    private static readonly string[] Architectures = [];

    private static readonly string[] Methods = [];

    /// <summary>Why a case is left out, or null if it must pass.</summary>
    public static string? Reason(OracleCase each)
    {
        if (Methods.Contains(each.Method)) return $"method {each.Method}";
        if (Architectures.Contains(each.Base)) return $"architecture {each.Base}";
        return null;
    }
}
