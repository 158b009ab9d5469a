namespace Peft;

/// <summary>The passes and scopes of one asynchronous flow (a thread, and what it awaits or starts).</summary>
/// <param name="Scope">The innermost scope that the flow opened, which may have ended.</param>
/// <param name="Pass">The pass that surrounds the flow.</param>
internal sealed record PassFlow(PassScope? Scope, PassHandle? Pass);
